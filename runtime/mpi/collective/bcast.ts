/** From one rank to all (MPI 4.1, 6.4). */
import { type Data, type Payload, payloadOf, roomOf, sizeOf } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { exchange, receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { checkRoot } from './arguments.ts';
import { typeOfData } from './blocks.ts';
import { range } from './copy.ts';
import { lineBcast } from './lines/data-movement.ts';
import type { Prepared } from './prepared.ts';
import type { Schedule } from './schedule.ts';
import { choose, chooseLines, type Table } from './select.ts';
import { type Signature, widthOf } from './signature.ts';

export interface BcastCall {
  readonly payload: Payload;
  readonly root: number;
}

/** From this many bytes on the root had better send each byte once, and the others to each other. */
const LONG_BYTES = 256 * 1024;

/** Of longer ones both ends had better copy a part: by a message. */
const LINES_BYTES = 512 * 1024;

export const BCAST: Table<BcastCall> = {
  operation: 'BCAST',
  lines: { best: ({ bytes }) => bytes <= LINES_BYTES, inCrowd: () => false, make: lineBcast },
  algorithms: [
    {
      name: 'scatter-allgather',
      can: ({ ranks, bytes }) => bytes >= ranks,
      best: ({ ranks, bytes }) => ranks >= 4 && bytes >= LONG_BYTES,
      run: scatterAllgather,
    },
    {
      name: 'binomial',
      best: () => true,
      run: (endpoint, tag, { payload, root }) => bcast(endpoint, tag, payload, root),
    },
  ],
};

export function prepareBcast<D extends Data>(
  endpoint: Endpoint,
  data: D,
  root: number,
): Prepared<D> {
  checkRoot(root, endpoint.size);
  const payload = endpoint.rank === root ? payloadOf(data, 0) : roomOf(data, 0);
  const bytes = sizeOf(payload);
  const type = typeOfData(data);
  const shape = { ranks: endpoint.size, bytes };
  const { algorithm, number } = choose(BCAST, shape);
  const call = { payload, root };
  const count = bytes / widthOf(type);
  const signature: Signature = { operation: 'bcast', type, count, root, op: null };
  return {
    line: chooseLines(BCAST, shape, call, signature, () => data),
    signature,
    algorithm: number,
    memory: [payload],
    *schedule(tag) {
      yield* algorithm.run(endpoint, tag, call);
      return data;
    },
  };
}

/** Along a binomial tree: fills `payload`, as long at all ranks, with that of the root. */
export function* bcast(
  endpoint: Endpoint,
  tag: number,
  payload: Payload,
  root: number,
): Schedule<void> {
  const { rank, size } = endpoint;
  const place = (rank - root + size) % size;
  const rankAt = (other: number) => (other + root) % size;
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

/**
 * The root deals the bytes out along a binomial tree, a piece for each rank, and the pieces go round (van de Geijn): every rank
 * sends and receives about twice the length, whatever their number.
 */
function* scatterAllgather(
  endpoint: Endpoint,
  tag: number,
  { payload, root }: BcastCall,
): Schedule<void> {
  const { rank, size } = endpoint;
  const bytes = sizeOf(payload);
  const piece = Math.ceil(bytes / size);
  const place = (rank - root + size) % size;
  const rankAt = (other: number) => (other + root) % size;
  const at = (number: number) => Math.min(number * piece, bytes);
  const pieces = (first: number, end: number) => range(payload, at(first), at(Math.min(end, size)));
  let bit = lowestBit(place, size);
  if (place !== 0)
    yield [receiveOwn(endpoint, pieces(place, place + bit), rankAt(place - bit), tag)];
  const sends: Request[] = [];
  for (bit /= 2; bit >= 1; bit /= 2) {
    const child = place + bit;
    if (child < size) sends.push(sendOwn(endpoint, pieces(child, child + bit), rankAt(child), tag));
  }
  yield sends;
  const next = (rank + 1) % size;
  const previous = (rank - 1 + size) % size;
  for (let step = 0; step < size - 1; step++) {
    const given = (place - step + size) % size;
    const taken = (given - 1 + size) % size;
    const outgoing = pieces(given, given + 1);
    yield exchange(endpoint, outgoing, next, pieces(taken, taken + 1), previous, tag);
  }
}
