/** A chain through all ranks: each combines what comes with its own elements, and passes it on. */
import { part } from '../../base/bytes.ts';
import type { Elements } from '../datatype/data.ts';
import { bytesOf } from '../point-to-point/buffer.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { copyElements } from './op/kernel.ts';
import { type Combining, type Reduction, type Slice, scratchOf, sliceOf } from './reduction.ts';
import type { Schedule } from './schedule.ts';

/** What is passed on at once: while a rank combines it, the next one has the piece before. */
const SEGMENT_BYTES = 32 * 1024;

/**
 * @param before takes what the ranks before this one have together, unless null
 * @param result takes the same with this rank's, which is passed on
 */
export function* chain(
  endpoint: Endpoint,
  tag: number,
  reduction: Reduction,
  before: Elements | null,
  result: Elements,
  combining: Combining,
): Schedule<void> {
  const { rank, size } = endpoint;
  const { kernel, send, count } = reduction;
  const { bytes: width } = kernel.kind;
  const segment = Number.isFinite(kernel.unit) ? SEGMENT_BYTES / width : count;
  const came = scratchOf(kernel, rank === 0 ? 0 : Math.min(segment, count));
  const passed = bytesOf(result);
  const sent: Request[] = [];
  for (let at = 0; at < count; at += segment) {
    const piece: Slice = { at, count: Math.min(segment, count - at) };
    const round = sent.splice(0);
    if (rank > 0) {
      const incoming = part(came.bytes, 0, piece.count * width);
      round.push(receiveOwn(endpoint, incoming, rank - 1, tag));
    }
    yield round;
    const combined =
      rank > 0 &&
      combining.do(() => kernel.combine(result, at, came.array, 0, send, at, piece.count));
    // Where the program's function has thrown, the others still need elements.
    if (!combined) copyElements(result, at, send, at, piece.count, kernel);
    if (before !== null && rank > 0) copyElements(before, at, came.array, 0, piece.count, kernel);
    if (rank + 1 < size) sent.push(sendOwn(endpoint, sliceOf(passed, piece, width), rank + 1, tag));
  }
  yield sent;
}
