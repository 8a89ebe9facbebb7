/** Rows of a table, as `groupby` makes, deals out and adds them up. */
import { randomFrom } from './random.ts';

/** Columns side by side: row i has a key and a value. */
export interface Table {
  keys: Uint32Array;
  values: Float64Array;
}

/** About so many rows have the same key. */
const ROWS_OF_A_KEY = 10;

/** What one of `size` processes has at first: its share of so many rows, which look like chance. */
export function makeRows(rows: number, rank: number, size: number): Table {
  const count = Math.floor((rows * (rank + 1)) / size) - Math.floor((rows * rank) / size);
  const groups = Math.ceil(rows / ROWS_OF_A_KEY);
  const next = randomFrom(0x9e3779b9 ^ (rank + 1));
  const keys = Uint32Array.from({ length: count }, () => next() % groups);
  // Whole numbers: their sums are exact in any order.
  return { keys, values: Float64Array.from(keys, () => next() % 1000) };
}

/** Rows in the order of the processes that own their keys, and how many each of them gets. */
export function partition({ keys, values }: Table, size: number): Table & { counts: Int32Array } {
  const counts = new Int32Array(size);
  for (const key of keys) counts[key % size]++;
  const places = counts.map((_, owner) =>
    counts.subarray(0, owner).reduce((sum, count) => sum + count, 0),
  );
  const sorted = {
    keys: new Uint32Array(keys.length),
    values: new Float64Array(keys.length),
    counts,
  };
  for (let i = 0; i < keys.length; i++) {
    const place = places[keys[i] % size]++;
    sorted.keys[place] = keys[i];
    sorted.values[place] = values[i];
  }
  return sorted;
}

/** The sum of each key's values. */
export class Groups {
  readonly #sums = new Map<number, number>();

  add({ keys, values }: Table): void {
    const sums = this.#sums;
    for (let i = 0; i < keys.length; i++) sums.set(keys[i], (sums.get(keys[i]) ?? 0) + values[i]);
  }

  /** How many there are, and a number that differs where a sum does. */
  get result(): { groups: number; check: number } {
    let check = 0;
    for (const [key, sum] of this.#sums) check += ((key * 31 + sum * 17) % 65521) + 1;
    return { groups: this.#sums.size, check };
  }
}
