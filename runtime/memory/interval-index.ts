/**
 * Disjoint intervals sorted by address: a B+ tree of two levels. The lower holds the intervals in
 * blocks of at most BLOCK_MAX, the upper the first address of each block. To look up is one search
 * by quarters in either (logarithmic, no allocation); to insert or remove moves at most one block,
 * and the upper level only when a block is divided or ends.
 *
 * Addresses are kept in Float64Arrays beside the objects, so that a search touches a few cache
 * lines, and of the objects none but the one it answers. All blocks lie in the same arrays, a block
 * is BLOCK_MAX *places* of them: with many regions each object on the way to a block's addresses
 * would be one more wait for memory.
 *
 * Before the search a hint is tried: where an address of this page was found the last time. It is
 * compared with what lies there now, so that a wrong one costs a few nanoseconds and no more.
 */

export interface Interval {
  readonly start: number;
  readonly end: number;
}

/** Intervals in a block at most. A fuller block is divided. */
export const BLOCK_MAX = 256;

/** Hints, 4 bytes each: two for each place, and at most so many (two to this power). */
export const HINT_BITS_MAX = 16;
/** Addresses of one page, or of one larger page, share a hint. */
const HINT_PAGE = 4096;
/** 2^32 by the golden ratio: what is evenly spread, by whatever stride, stays so (Fibonacci hashing). */
const GOLDEN = 0x9e3779b1 | 0;

/**
 * The last of the places [from, from + count) whose start is <= address; from - 1 where all are above
 * it. Each step looks at three places at a time, which the processor does at once, and leaves a
 * quarter; a step of halves would wait as long. Without a branch on what it compares: on random
 * addresses every second one would be mispredicted.
 */
function lastAtOrBelow(starts: Float64Array, from: number, count: number, address: number): number {
  if (count === 0 || starts[from] > address) return from - 1;
  let low = from;
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

/** The intervals: at place p, of which `starts[p]` and `ends[p]` are the bounds. */
class Places<T> {
  starts = new Float64Array(BLOCK_MAX);
  ends = new Float64Array(BLOCK_MAX);
  readonly items: (T | undefined)[] = new Array(BLOCK_MAX).fill(undefined);
  /** First places of free blocks. */
  readonly #free: number[] = [0];

  /** The first place of a new block. */
  take(): number {
    if (this.#free.length === 0) this.#grow();
    return this.#free.pop()!;
  }

  give(first: number): void {
    this.#free.push(first);
  }

  /** Moves `count` places to others; what they held is forgotten where they were. */
  move(from: number, to: number, count: number): void {
    this.starts.copyWithin(to, from, from + count);
    this.ends.copyWithin(to, from, from + count);
    for (let i = 0; i < count; i++) {
      this.items[to + i] = this.items[from + i];
      this.items[from + i] = undefined;
    }
  }

  /** Moves [at, end) one place up. A loop: V8's splice and copyWithin are calls of 50 ns. */
  open(at: number, end: number): void {
    const { starts, ends, items } = this;
    for (let i = end; i > at; i--) {
      starts[i] = starts[i - 1];
      ends[i] = ends[i - 1];
      items[i] = items[i - 1];
    }
  }

  /** Moves [at + 1, end) one place down, onto what is at `at`. */
  close(at: number, end: number): void {
    const { starts, ends, items } = this;
    const last = end - 1;
    for (let i = at; i < last; i++) {
      starts[i] = starts[i + 1];
      ends[i] = ends[i + 1];
      items[i] = items[i + 1];
    }
    items[last] = undefined;
  }

  #grow(): void {
    const length = this.starts.length;
    this.starts = doubled(this.starts);
    this.ends = doubled(this.ends);
    for (let i = 0; i < length; i++) this.items.push(undefined);
    for (let first = length * 2 - BLOCK_MAX; first >= length; first -= BLOCK_MAX)
      this.#free.push(first);
  }
}

function doubled(values: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(values.length * 2);
  larger.set(values);
  return larger;
}

export class IntervalIndex<T extends Interval> {
  readonly #places = new Places<T>();
  /** The blocks in order of address: their first addresses, first places, and how much they hold. */
  #firsts = new Float64Array(16);
  readonly #blocks: number[] = [];
  readonly #counts: number[] = [];
  #size = 0;
  /** By the hash of a page: the place where an address in that page was found. */
  #hints = new Int32Array(2 * BLOCK_MAX);
  #hintShift = 32 - Math.log2(2 * BLOCK_MAX);

  get size(): number {
    return this.#size;
  }

  /** The interval that contains [start, end). */
  find(start: number, end: number): T | undefined {
    const places = this.#places;
    const page = Math.imul((start / HINT_PAGE) | 0, GOLDEN) >>> this.#hintShift;
    const hint = this.#hints[page];
    if (places.starts[hint] <= start && end <= places.ends[hint]) {
      // Undefined where it lay in a block that has been given back.
      const item = places.items[hint];
      if (item !== undefined) return item;
    }
    const b = lastAtOrBelow(this.#firsts, 0, this.#blocks.length, start);
    if (b < 0) return undefined;
    const at = lastAtOrBelow(places.starts, this.#blocks[b], this.#counts[b], start);
    if (end > places.ends[at]) return undefined;
    this.#hints[page] = at;
    return places.items[at];
  }

  /** Whether any overlaps [start, end) or lies directly beside it. */
  touches(start: number, end: number): boolean {
    const b = this.#blockOf(end);
    if (b < 0) return false;
    // The last interval that begins at or before `end` is also the last to end, because intervals are
    // disjoint.
    const at = this.#placeIn(b, end);
    return at >= this.#blocks[b] && this.#places.ends[at] >= start;
  }

  /** The intervals that overlap [start, end) or lie directly beside it, in order of address. */
  touching(start: number, end: number): T[] {
    const found: T[] = [];
    let b = Math.max(0, this.#blockOf(start));
    // The interval before may end exactly at `start`, or in it, and may be in the block before.
    if (b > 0 && this.#firsts[b] === start) b -= 1;
    for (; b < this.#blocks.length && this.#firsts[b] <= end; b++)
      for (const item of this.#itemsOf(b))
        if (item.end >= start && item.start <= end) found.push(item);
    return found;
  }

  /** Adds an interval that overlaps none that is there. */
  insert(item: T): void {
    if (this.#blocks.length === 0) this.#addBlock(0, 0);
    let b = Math.max(0, this.#blockOf(item.start));
    if (this.#counts[b] === BLOCK_MAX) {
      this.#divide(b);
      if (item.start > this.#firsts[b + 1]) b += 1;
    }
    const places = this.#places;
    const at = this.#placeIn(b, item.start) + 1;
    const first = this.#blocks[b];
    places.open(at, first + this.#counts[b]);
    places.starts[at] = item.start;
    places.ends[at] = item.end;
    places.items[at] = item;
    this.#counts[b] += 1;
    if (at === first) this.#firsts[b] = item.start;
    this.#size += 1;
  }

  /**
   * Removes an interval. The last block stays, even if it is empty.
   * @returns false where the interval is not there
   */
  remove(item: T): boolean {
    const b = this.#blockOf(item.start);
    if (b < 0) return false;
    const places = this.#places;
    const first = this.#blocks[b];
    const at = this.#placeIn(b, item.start);
    if (at < first || places.items[at] !== item) return false;
    places.close(at, first + this.#counts[b]);
    this.#counts[b] -= 1;
    this.#size -= 1;
    if (this.#counts[b] > 0) {
      this.#firsts[b] = places.starts[first];
      this.#join(b);
    } else if (this.#blocks.length > 1) this.#removeBlock(b);
    return true;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let b = 0; b < this.#blocks.length; b++) yield* this.#itemsOf(b);
  }

  #blockOf(address: number): number {
    return lastAtOrBelow(this.#firsts, 0, this.#blocks.length, address);
  }

  #placeIn(b: number, address: number): number {
    return lastAtOrBelow(this.#places.starts, this.#blocks[b], this.#counts[b], address);
  }

  #itemsOf(b: number): T[] {
    const first = this.#blocks[b];
    return this.#places.items.slice(first, first + this.#counts[b]) as T[];
  }

  /** Moves the upper half of block `b` into a new one behind it. */
  #divide(b: number): void {
    const half = BLOCK_MAX >>> 1;
    const upper = this.#addBlock(b + 1, BLOCK_MAX - half);
    this.#places.move(this.#blocks[b] + half, upper, BLOCK_MAX - half);
    this.#counts[b] = half;
    this.#firsts[b + 1] = this.#places.starts[upper];
  }

  /** Joins block `b` with the next where both are nearly empty, so that blocks follow the size. */
  #join(b: number): void {
    if (b + 1 === this.#blocks.length) return;
    const [count, more] = [this.#counts[b], this.#counts[b + 1]];
    if (count + more > BLOCK_MAX >>> 2) return;
    this.#places.move(this.#blocks[b + 1], this.#blocks[b] + count, more);
    this.#counts[b] = count + more;
    this.#removeBlock(b + 1);
  }

  /**
   * Adds a block of so many intervals at `b`.
   * @returns its first place
   */
  #addBlock(b: number, count: number): number {
    if (this.#blocks.length === this.#firsts.length) this.#firsts = doubled(this.#firsts);
    this.#firsts.copyWithin(b + 1, b, this.#blocks.length);
    const first = this.#places.take();
    this.#blocks.splice(b, 0, first);
    this.#counts.splice(b, 0, count);
    this.#roomForHints();
    return first;
  }

  /** Makes room for more hints. The old hints are lost: searches find them again. */
  #roomForHints(): void {
    const bits = Math.min(HINT_BITS_MAX, 1 + Math.log2(this.#places.starts.length));
    if (2 ** bits === this.#hints.length) return;
    this.#hints = new Int32Array(2 ** bits);
    this.#hintShift = 32 - bits;
  }

  #removeBlock(b: number): void {
    this.#places.give(this.#blocks[b]);
    this.#firsts.copyWithin(b, b + 1, this.#blocks.length);
    this.#blocks.splice(b, 1);
    this.#counts.splice(b, 1);
  }
}
