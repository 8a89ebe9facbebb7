/** Communicators of those ranks that name the same color, or share the same part of a machine (MPI 4.1, 7.4.2). */
import { allgather, allgatherNumbers } from '../collective/allgather.ts';
import type { Schedule } from '../collective/schedule.ts';
import type { Group } from '../group.ts';
import { type MachinePart, placeOf } from '../locality.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { type Agreed, agree, NOT_WANTED } from './agreement.ts';

/** What a rank says of itself, behind its serial. */
const COLOR = 1;
const KEY = 2;
const NO_COLOR = -1;

export function* split(
  parent: Endpoint,
  group: Group,
  tag: number,
  color: number | null,
  key: number,
): Schedule<Agreed | null> {
  const words = [color ?? NO_COLOR, key];
  const serial = color === null ? NOT_WANTED : null;
  return yield* agree(parent, group, tag, words, serial, (said, width) =>
    color === null ? null : ranksOf(color, said, width),
  );
}

/** By key; ties by rank, since sorting is stable. */
function ranksOf(color: number, said: Float64Array, width: number): Int32Array {
  const ranks: number[] = [];
  for (let rank = 0; rank * width < said.length; rank++)
    if (said[rank * width + COLOR] === color) ranks.push(rank);
  const keyOf = (rank: number) => said[rank * width + KEY];
  return Int32Array.from(ranks.sort((a, b) => keyOf(a) - keyOf(b)));
}

/** The color is the lowest rank that is in the same place. */
export function* splitByPart(
  parent: Endpoint,
  group: Group,
  tag: number,
  part: MachinePart,
  key: number,
): Schedule<Agreed> {
  const place = new TextEncoder().encode(placeOf(part, parent.session.near));
  const lengths = yield* allgatherNumbers(parent, tag, Float64Array.of(place.length));
  const width = Math.max(...lengths);
  const mine = new Uint8Array(width);
  mine.set(place);
  const places = Buffer.from(yield* allgather(parent, tag, mine));
  const placeAt = (rank: number) => places.toString('latin1', rank * width, (rank + 1) * width);
  let color = 0;
  while (placeAt(color) !== placeAt(parent.rank)) color++;
  return (yield* split(parent, group, tag, color, key)) as Agreed;
}
