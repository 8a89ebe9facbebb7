/** Each rank folds a slice of the elements, which it gets from all ranks. */
import type { Elements } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import {
  borrowScratch,
  type Combining,
  keepScratch,
  type Reduction,
  type Slice,
  sliceOf,
} from './reduction.ts';
import type { Schedule } from './schedule.ts';

/** @param result where this rank's slice goes, from `at` on; it may be what the rank gives */
export function* foldSlices(
  endpoint: Endpoint,
  tag: number,
  reduction: Reduction,
  slices: readonly Slice[],
  result: Elements,
  at: number,
  combining: Combining,
): Schedule<void> {
  const { rank, size } = endpoint;
  const { kernel, send, given } = reduction;
  const { bytes: width } = kernel.kind;
  const mine = slices[rank];
  const others = borrowScratch(kernel, mine.count * (size - 1));
  const requests: Request[] = [];
  const sources: Elements[] = [];
  const places: number[] = [];
  for (let from = 0; from < size; from++) {
    const place = mine.count * (from < rank ? from : from - 1);
    sources.push(from === rank ? send : others.array);
    places.push(from === rank ? mine.at : place);
    if (from === rank || mine.count === 0) continue;
    const incoming = sliceOf(others.bytes, { at: place, count: mine.count }, width);
    requests.push(receiveOwn(endpoint, incoming, from, tag));
  }
  for (let step = 1; step < size; step++) {
    const to = (rank + step) % size;
    if (slices[to].count > 0)
      requests.push(sendOwn(endpoint, sliceOf(given, slices[to], width), to, tag));
  }
  yield requests;
  combining.do(() => {
    kernel.fold(result, at, sources, places, mine.count);
    kernel.finish(result, at, mine.count, size);
  });
  keepScratch(reduction, others.bytes);
}
