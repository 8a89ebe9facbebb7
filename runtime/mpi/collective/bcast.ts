/** From one rank to all (MPI 4.1, 6.4), along a binomial tree. */
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import type { Schedule } from './schedule.ts';

/** Fills `bytes`, as long at all ranks, with those of the root. */
export function* bcast(
  endpoint: Endpoint,
  tag: number,
  bytes: Uint8Array,
  root: number,
): Schedule<void> {
  const { rank, size } = endpoint;
  const place = (rank - root + size) % size;
  const rankAt = (other: number) => (other + root) % size;
  // The lowest bit set says from whom; the bits below, to whom.
  let bit = 1;
  while (bit < size && (place & bit) === 0) bit *= 2;
  if (place !== 0) yield [receiveOwn(endpoint, bytes, rankAt(place - bit), tag)];
  const sends: Request[] = [];
  for (bit /= 2; bit >= 1; bit /= 2)
    if (place + bit < size) sends.push(sendOwn(endpoint, bytes, rankAt(place + bit), tag));
  yield sends;
}
