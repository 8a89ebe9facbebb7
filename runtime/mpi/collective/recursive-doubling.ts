/**
 * In round k each rank exchanges what it has with the one whose number differs in bit k (MPI 4.1, 6.9.6): for operations of
 * which any order gives the same bits. Where the ranks are no power of two, those beyond give theirs to others first.
 */
import type { Elements } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { exchange, receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { copyElements } from './op/kernel.ts';
import { Combining, type Reduction, scratchOf } from './reduction.ts';
import type { Schedule } from './schedule.ts';

export interface WholeResult extends Reduction {
  readonly result: Elements;
  /** Its bytes. */
  readonly taken: Uint8Array;
}

export function* recursiveDoubling(
  endpoint: Endpoint,
  tag: number,
  call: WholeResult,
): Schedule<void> {
  const { rank, size } = endpoint;
  const { kernel, send, count, result, taken } = call;
  const combining = new Combining(call);
  const came = scratchOf(kernel, count);
  const take = () => combining.do(() => kernel.combine(result, 0, result, 0, came.array, 0, count));
  copyElements(result, 0, send, 0, count, kernel);
  const power = 2 ** Math.floor(Math.log2(size));
  if (rank >= power) {
    yield [sendOwn(endpoint, taken, rank - power, tag)];
    yield [receiveOwn(endpoint, taken, rank - power, tag)];
    return;
  }
  const beyond = rank + power < size;
  if (beyond) {
    yield [receiveOwn(endpoint, came.bytes, rank + power, tag)];
    take();
  }
  for (let bit = 1; bit < power; bit *= 2) {
    yield exchange(endpoint, taken, rank ^ bit, came.bytes, rank ^ bit, tag);
    take();
  }
  if (beyond) yield [sendOwn(endpoint, taken, rank + power, tag)];
}
