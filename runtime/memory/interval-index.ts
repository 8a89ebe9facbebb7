/**
 * Disjoint intervals sorted by address: a B+ tree of two levels. The lower holds the intervals in
 * blocks of at most BLOCK_MAX, the upper the first address of each block. To look up is one binary
 * search in either (logarithmic, no allocation); to insert or remove moves at most one block, and
 * the upper level only when a block is divided or ends.
 *
 * Addresses are kept in Float64Arrays beside the objects, so that a search touches a few cache
 * lines, and of the objects none but the one it answers.
 */

export interface Interval {
  readonly start: number;
  readonly end: number;
}

/** Intervals in a block before it is divided. */
export const BLOCK_MAX = 256;

class Block<T> {
  readonly starts = new Float64Array(BLOCK_MAX);
  readonly ends = new Float64Array(BLOCK_MAX);
  readonly items: T[] = [];
}

/**
 * The place of the last of `starts[0..count)` that is <= address; -1 where all are above it. Each
 * step looks at three places at a time, which the processor does at once, and leaves a quarter; a
 * step of halves would wait as long. Without a branch on what it compares: on random addresses
 * every second one would be mispredicted.
 */
function lastAtOrBelow(starts: Float64Array, count: number, address: number): number {
  if (count === 0 || starts[0] > address) return -1;
  let low = 0;
  let left = count;
  while (left > 3) {
    const quarter = left >>> 2;
    const first = quarter & -Number(starts[low + quarter] <= address);
    const second = quarter & -Number(starts[low + 2 * quarter] <= address);
    const third = quarter & -Number(starts[low + 3 * quarter] <= address);
    low += first + second + third;
    left -= 3 * quarter;
  }
  for (; left > 1; left -= 1) low += Number(starts[low + 1] <= address);
  return low;
}

/** Moves the items from `at` on one place up. A loop: V8's splice and copyWithin are calls of 50 ns. */
function openPlace<T>({ starts, ends, items }: Block<T>, at: number): void {
  const count = items.length;
  if (at === count) return;
  items.push(items[count - 1]);
  starts[count] = starts[count - 1];
  ends[count] = ends[count - 1];
  for (let i = count - 1; i > at; i--) {
    starts[i] = starts[i - 1];
    ends[i] = ends[i - 1];
    items[i] = items[i - 1];
  }
}

/** Moves the items behind `at` one place down, onto it. */
function closePlace<T>({ starts, ends, items }: Block<T>, at: number): void {
  const last = items.length - 1;
  for (let i = at; i < last; i++) {
    starts[i] = starts[i + 1];
    ends[i] = ends[i + 1];
    items[i] = items[i + 1];
  }
  items.pop();
}

export class IntervalIndex<T extends Interval> {
  #firsts = new Float64Array(16);
  readonly #blocks: Block<T>[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The interval that contains [start, end). */
  find(start: number, end: number): T | undefined {
    const b = lastAtOrBelow(this.#firsts, this.#blocks.length, start);
    if (b < 0) return undefined;
    const block = this.#blocks[b];
    const at = lastAtOrBelow(block.starts, block.items.length, start);
    return end <= block.ends[at] ? block.items[at] : undefined;
  }

  /** Whether any overlaps [start, end) or lies directly beside it. */
  touches(start: number, end: number): boolean {
    const b = lastAtOrBelow(this.#firsts, this.#blocks.length, end);
    if (b < 0) return false;
    const block = this.#blocks[b];
    // The last one that begins at or before `end` is also the last to end: they are disjoint.
    const at = lastAtOrBelow(block.starts, block.items.length, end);
    return at >= 0 && block.ends[at] >= start;
  }

  /** Those that overlap [start, end) or lie directly beside it, in order of address. */
  touching(start: number, end: number): T[] {
    const found: T[] = [];
    let b = Math.max(0, lastAtOrBelow(this.#firsts, this.#blocks.length, start));
    // The interval before may end exactly at `start`, or in it, and may be in the block before.
    if (b > 0 && this.#firsts[b] === start) b -= 1;
    for (; b < this.#blocks.length && this.#firsts[b] <= end; b++)
      for (const item of this.#blocks[b].items)
        if (item.end >= start && item.start <= end) found.push(item);
    return found;
  }

  /** Adds an interval that overlaps none that is there. */
  insert(item: T): void {
    if (this.#blocks.length === 0) this.#addBlock(0, new Block<T>());
    const b = Math.max(0, lastAtOrBelow(this.#firsts, this.#blocks.length, item.start));
    let block = this.#blocks[b];
    if (block.items.length === BLOCK_MAX) {
      const upper = this.#divide(b);
      if (item.start > upper.starts[0]) block = upper;
    }
    const at = lastAtOrBelow(block.starts, block.items.length, item.start) + 1;
    openPlace(block, at);
    block.starts[at] = item.start;
    block.ends[at] = item.end;
    block.items[at] = item;
    if (at === 0) this.#firsts[this.#blocks.indexOf(block, b)] = item.start;
    this.#size += 1;
  }

  /** Removes an interval; false where it is not there. The last block stays, though it be empty. */
  remove(item: T): boolean {
    const b = lastAtOrBelow(this.#firsts, this.#blocks.length, item.start);
    if (b < 0) return false;
    const block = this.#blocks[b];
    const at = lastAtOrBelow(block.starts, block.items.length, item.start);
    if (block.items[at] !== item) return false;
    closePlace(block, at);
    this.#size -= 1;
    if (block.items.length > 0) {
      this.#firsts[b] = block.starts[0];
      this.#join(b);
    } else if (this.#blocks.length > 1) this.#removeBlock(b);
    return true;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const block of this.#blocks) yield* block.items;
  }

  /** Moves the upper half of block `b` into a new one behind it, which it answers. */
  #divide(b: number): Block<T> {
    const block = this.#blocks[b];
    const upper = new Block<T>();
    const half = BLOCK_MAX >>> 1;
    upper.starts.set(block.starts.subarray(half));
    upper.ends.set(block.ends.subarray(half));
    upper.items.push(...block.items.splice(half));
    this.#addBlock(b + 1, upper);
    return upper;
  }

  /** Joins block `b` with the next where both are nearly empty, so that memory follows the size. */
  #join(b: number): void {
    const block = this.#blocks[b];
    const next = this.#blocks[b + 1];
    if (!next || block.items.length + next.items.length > BLOCK_MAX >>> 2) return;
    block.starts.set(next.starts.subarray(0, next.items.length), block.items.length);
    block.ends.set(next.ends.subarray(0, next.items.length), block.items.length);
    block.items.push(...next.items);
    this.#removeBlock(b + 1);
  }

  #addBlock(b: number, block: Block<T>): void {
    const count = this.#blocks.length;
    if (count === this.#firsts.length) {
      const larger = new Float64Array(count * 2);
      larger.set(this.#firsts);
      this.#firsts = larger;
    }
    this.#firsts.copyWithin(b + 1, b, count);
    this.#firsts[b] = block.starts[0];
    this.#blocks.splice(b, 0, block);
  }

  #removeBlock(b: number): void {
    this.#firsts.copyWithin(b, b + 1, this.#blocks.length);
    this.#blocks.splice(b, 1);
  }
}
