/** Every rank gets all elements, and folds those that it needs. */
import type { Elements } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { allgather } from './allgather.ts';
import type { Combining, Reduction } from './reduction.ts';
import type { Schedule } from './schedule.ts';

/** @param ranks folds those of the first so many ranks; none at all where it is 0 */
export function* foldAll(
  endpoint: Endpoint,
  tag: number,
  { kernel, count, given }: Reduction,
  ranks: number,
  result: Elements,
  combining: Combining,
): Schedule<void> {
  const gathered = yield* allgather(endpoint, tag, given);
  if (ranks === 0) return;
  const all = kernel.kind.view(gathered.buffer, gathered.byteOffset, count * endpoint.size);
  const places = Array.from({ length: ranks }, (_, rank) => rank * count);
  combining.do(() => {
    kernel.fold(result, 0, new Array(ranks).fill(all), places, count);
    kernel.finish(result, 0, count, ranks);
  });
}
