/**
 * Blocks of one length from all ranks to all (MPI 4.1, 6.7), after Bruck: in round k every rank passes
 * what it has, at most 2^k blocks, to the one 2^k before it; log2(size) rounds with any number of ranks.
 */
import { part } from '../../base/bytes.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { exchange } from '../point-to-point/sendrecv.ts';
import type { Schedule } from './schedule.ts';

/** @returns the blocks in the order of the ranks */
export function* allgather(
  endpoint: Endpoint,
  tag: number,
  mine: Uint8Array,
): Schedule<Uint8Array> {
  const { rank, size } = endpoint;
  const width = mine.length;
  // Ours first, then those of the ranks after us.
  const blocks = new Uint8Array(size * width);
  blocks.set(mine);
  for (let have = 1; have < size; have *= 2) {
    const count = Math.min(have, size - have);
    const outgoing = part(blocks, 0, count * width);
    const incoming = part(blocks, have * width, (have + count) * width);
    yield exchange(
      endpoint,
      outgoing,
      (rank - have + size) % size,
      incoming,
      (rank + have) % size,
      tag,
    );
  }
  if (rank === 0) return blocks;
  const inOrder = new Uint8Array(blocks.length);
  const wrapped = (size - rank) * width;
  inOrder.set(blocks.subarray(0, wrapped), rank * width);
  inOrder.set(blocks.subarray(wrapped), 0);
  return inOrder;
}

/** The same of a few numbers. */
export function* allgatherNumbers(
  endpoint: Endpoint,
  tag: number,
  mine: Float64Array,
): Schedule<Float64Array> {
  const bytes = yield* allgather(endpoint, tag, new Uint8Array(mine.buffer));
  return new Float64Array(bytes.buffer);
}
