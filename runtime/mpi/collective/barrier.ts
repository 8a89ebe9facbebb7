/**
 * Barrier (MPI 4.1, 6.3) by dissemination: in round k every rank signals the one 2^k further on and
 * waits for the one 2^k before it; after log2(size) rounds each has heard of all.
 */
import type { Communicator } from '../communicator.ts';
import { Request } from '../point-to-point/request.ts';

function* rounds(comm: Communicator): Generator<[Request, Request]> {
  const { rank, size } = comm;
  for (let distance = 1, round = 0; distance < size; distance *= 2, round++) {
    const next = (rank + distance) % size;
    const previous = (rank - distance + size) % size;
    yield comm.signal(next, previous, round);
  }
}

export async function barrier(comm: Communicator): Promise<void> {
  for (const pair of rounds(comm)) await Promise.all(pair.map((request) => request.promise()));
}

export function barrierSync(comm: Communicator): void {
  for (const pair of rounds(comm)) Request.waitAll(pair);
}
