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
