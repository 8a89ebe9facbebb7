/**
 * Barrier (MPI 4.1, 6.3) by dissemination: in round k every rank signals the one 2^k further on and
 * waits for the one 2^k before it; after log2(size) rounds each has heard of all.
 */
import { awaitParts, waitForParts } from '../point-to-point/parts.ts';
import type { Request } from '../point-to-point/request.ts';

/** What a barrier needs of a communicator. */
interface Signalling {
  readonly rank: number;
  readonly size: number;
  signal(destination: number, source: number, tag: number): [Request, Request];
}

function* rounds(comm: Signalling): Generator<[Request, Request]> {
  const { rank, size } = comm;
  for (let distance = 1, round = 0; distance < size; distance *= 2, round++) {
    const next = (rank + distance) % size;
    const previous = (rank - distance + size) % size;
    yield comm.signal(next, previous, round);
  }
}

export async function barrier(comm: Signalling): Promise<void> {
  for (const pair of rounds(comm)) await awaitParts(pair);
}

export function barrierSync(comm: Signalling): void {
  for (const pair of rounds(comm)) waitForParts(pair);
}
