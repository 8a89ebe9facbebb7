/**
 * Barrier (MPI 4.1, 6.3) by dissemination: in round k every rank signals the one 2^k further on and
 * waits for the one 2^k before it; after log2(size) rounds each has heard of all.
 */
import { NO_BYTES } from '../../base/bytes.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { exchange } from '../point-to-point/sendrecv.ts';
import type { Schedule } from './schedule.ts';

export function* barrier(endpoint: Endpoint, tag: number): Schedule<void> {
  const { rank, size } = endpoint;
  for (let distance = 1; distance < size; distance *= 2) {
    const next = (rank + distance) % size;
    const previous = (rank - distance + size) % size;
    yield exchange(endpoint, NO_BYTES, next, NO_BYTES, previous, tag);
  }
}
