/** Whether the interval index is worth its lines: the same beside one sorted array. */
import { type Interval, IntervalIndex } from '../../../runtime/memory/interval-index.ts';
import { Random } from '../../tools/random.ts';
import { nanoseconds } from './timing.ts';

const PAGE = 4096;
/** Regions of two pages, eight apart. */
const STRIDE = 8 * PAGE;
const BASE = 0x7f00_0000_0000;
/** Addresses that are looked up in turn: a power of two. */
const PROBES = 2 ** 16;
const FINDS = 200_000;
/** A sorted array of 100,000 takes 0.1 ms for each. */
const CHANGES = 1000;

interface Index {
  find(start: number, end: number): Interval | undefined;
  touching(start: number, end: number): Interval[];
  insert(item: Interval): void;
  remove(item: Interval): boolean;
}

/** Intervals in one array, searched by halves. */
class SortedArray implements Index {
  readonly #starts = new Float64Array(2 ** 17);
  readonly #items: Interval[] = [];

  find(start: number, end: number): Interval | undefined {
    const item = this.#items[this.#last(start)];
    return item !== undefined && end <= item.end ? item : undefined;
  }

  touching(start: number, end: number): Interval[] {
    const found: Interval[] = [];
    for (let at = Math.max(0, this.#last(start) - 1); at < this.#items.length; at++) {
      const item = this.#items[at];
      if (item.start > end) break;
      if (item.end >= start) found.push(item);
    }
    return found;
  }

  insert(item: Interval): void {
    const at = this.#last(item.start) + 1;
    this.#starts.copyWithin(at + 1, at, this.#items.length);
    this.#starts[at] = item.start;
    this.#items.splice(at, 0, item);
  }

  remove(item: Interval): boolean {
    const at = this.#last(item.start);
    if (this.#items[at] !== item) return false;
    this.#starts.copyWithin(at, at + 1, this.#items.length);
    this.#items.splice(at, 1);
    return true;
  }

  /** The last that begins at or before the address. */
  #last(address: number): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle] <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Nanoseconds of one call. */
interface Calls {
  /** Looking up eight addresses again and again, and addresses at random. */
  few: number;
  random: number;
  /** Taking a region out and putting it back. */
  change: number;
  /** Those that a range of ten pages overlaps. */
  overlaps: number;
}

export interface IndexFigures {
  regions: number;
  tree: Calls;
  sorted: Calls;
}

function calls(index: Index, regions: number): Calls {
  const random = new Random(regions);
  const items = Array.from({ length: regions }, (_, i) => {
    const start = BASE + i * STRIDE;
    return { start, end: start + 2 * PAGE };
  });
  const places = items.map((item) => ({ item, place: random.next() }));
  for (const { item } of places.sort((a, b) => a.place - b.place)) index.insert(item);
  const probes = Float64Array.from({ length: PROBES }, () => items[random.below(regions)].start);
  let found = 0;
  const find = (mask: number) => (count: number) => {
    for (let i = 0; i < count; i++) {
      const start = probes[i & mask];
      if (index.find(start, start + 64) !== undefined) found++;
    }
  };
  const [few, atRandom] = nanoseconds(FINDS, find(7), find(PROBES - 1));
  const [change, overlaps] = nanoseconds(
    CHANGES,
    (count) => {
      for (let i = 0; i < count; i++) {
        const item = items[random.below(regions)];
        if (index.remove(item)) index.insert(item);
      }
    },
    (count) => {
      for (let i = 0; i < count; i++) {
        const start = probes[i & (PROBES - 1)];
        found += index.touching(start, start + 10 * PAGE).length;
      }
    },
  );
  if (found === 0) throw new Error('the index finds nothing');
  return { few, random: atRandom, change, overlaps };
}

export function indexFigures(regions: number): IndexFigures {
  return {
    regions,
    tree: calls(new IntervalIndex(), regions),
    sorted: calls(new SortedArray(), regions),
  };
}
