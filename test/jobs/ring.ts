/** What jobs with any number of ranks share: who sits beside whom, and lengths. */
import assert from 'node:assert/strict';
import { MPI, type Status } from '../../runtime/index.ts';

export const world = MPI.world;
export const { rank, size } = world;
export const next = (rank + 1) % size;
export const previous = (rank - 1 + size) % size;

/** On both sides of every way that a message can go. */
export const SIZES = [0, 1, 8, 48, 49, 4096, 16384, 16385, 40_000, 300_000];

export function checkStatus(status: Status, source: number, tag: number, byteLength: number): void {
  assert.deepEqual({ ...status }, { source, tag, byteLength });
}

const MEETING_TAG = 99;

/** Meets the others without ever waiting for them: who is still to be told that it waits in vain is told alone. */
export async function meet(): Promise<void> {
  const others = Array.from({ length: size }, (_, one) => one).filter((one) => one !== rank);
  const signals = others.map((one) => world.irecv(new Uint8Array(1), one, MEETING_TAG));
  for (const one of others) world.isend(new Uint8Array(1), one, MEETING_TAG);
  while (!signals.every((signal) => signal.test()))
    await new Promise((resolve) => setImmediate(resolve));
}
