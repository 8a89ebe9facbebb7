/**
 * Counts how many ranges cover each address. So it knows what to give up when one of several overlapping
 * ranges ends. The pieces are sorted and disjoint; the count is the same all over a piece.
 */
export class Coverage {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #counts: number[] = [];

  /** Pieces there are. */
  get size(): number {
    return this.#starts.length;
  }

  add(start: number, end: number): void {
    let at = start;
    for (let i = this.#splitFor(start, end); at < end; i++) {
      if (i < this.size && this.#starts[i] === at) {
        this.#counts[i] += 1;
        at = this.#ends[i];
      } else {
        const until = i < this.size ? Math.min(end, this.#starts[i]) : end;
        this.#insert(i, at, until, 1);
        at = until;
      }
    }
    this.#join(start, end);
  }

  /**
   * Takes back one `add` of the same range. Calls `uncovered` for each part that no range covers any more.
   */
  remove(start: number, end: number, uncovered: (start: number, end: number) => void): void {
    let i = this.#splitFor(start, end);
    while (i < this.size && this.#starts[i] < end) {
      this.#counts[i] -= 1;
      if (this.#counts[i] > 0) {
        i += 1;
        continue;
      }
      uncovered(this.#starts[i], this.#ends[i]);
      this.#delete(i);
    }
    this.#join(start, end);
  }

  /** Makes `start` and `end` bounds of pieces; the index of the first piece that ends behind `start`. */
  #splitFor(start: number, end: number): number {
    this.#split(end);
    return this.#split(start);
  }

  #split(at: number): number {
    const i = this.#firstEndingBehind(at);
    if (i === this.size || this.#starts[i] >= at) return i;
    this.#insert(i, this.#starts[i], at, this.#counts[i]);
    this.#starts[i + 1] = at;
    return i + 1;
  }

  #firstEndingBehind(at: number): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle] > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Makes one piece of neighbours with the same count, from `start` to `end` and their neighbours. */
  #join(start: number, end: number): void {
    let i = Math.max(0, this.#firstEndingBehind(start) - 1);
    while (i + 1 < this.size && this.#starts[i] <= end) {
      const same = this.#ends[i] === this.#starts[i + 1] && this.#counts[i] === this.#counts[i + 1];
      if (!same) {
        i += 1;
        continue;
      }
      this.#starts[i + 1] = this.#starts[i];
      this.#delete(i);
    }
  }

  #insert(i: number, start: number, end: number, count: number): void {
    this.#starts.splice(i, 0, start);
    this.#ends.splice(i, 0, end);
    this.#counts.splice(i, 0, count);
  }

  #delete(i: number): void {
    this.#starts.splice(i, 1);
    this.#ends.splice(i, 1);
    this.#counts.splice(i, 1);
  }
}
