/** Who sends to whom where some ranks signal each other, or one of them tells all. */
import { NO_BYTES } from '../../base/bytes.ts';
import type { Payload } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { exchange, receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import type { Schedule } from './schedule.ts';

/** Each of some ranks has heard of all of them; by their places. */
export function* disseminate(
  endpoint: Endpoint,
  tag: number,
  place: number,
  size: number,
  rankAt: (place: number) => number,
): Schedule<void> {
  for (let distance = 1; distance < size; distance *= 2) {
    const next = rankAt((place + distance) % size);
    const previous = rankAt((place - distance + size) % size);
    yield exchange(endpoint, NO_BYTES, next, NO_BYTES, previous, tag);
  }
}

/** Along a binomial tree of some ranks, by their places in it; the root's is 0. */
export function* bcastAmong(
  endpoint: Endpoint,
  tag: number,
  payload: Payload,
  place: number,
  size: number,
  rankAt: (place: number) => number,
): Schedule<void> {
  // The lowest bit set says from whom; the bits below, to whom.
  let bit = lowestBit(place, size);
  if (place !== 0) yield [receiveOwn(endpoint, payload, rankAt(place - bit), tag)];
  const sends: Request[] = [];
  for (bit /= 2; bit >= 1; bit /= 2)
    if (place + bit < size) sends.push(sendOwn(endpoint, payload, rankAt(place + bit), tag));
  yield sends;
}

/** The lowest bit of a place in a binomial tree; at its root the first that no place has. */
export function lowestBit(place: number, size: number): number {
  let bit = 1;
  while (bit < size && (place & bit) === 0) bit *= 2;
  return bit;
}
