/** Ranges of a heap that nobody uses. */

export interface Range {
  offset: number;
  bytes: number;
}

export class FreeRanges {
  /** Ascending, never adjacent. */
  readonly #ranges: Range[] = [];

  /** The first range that is long enough, cut to that length; null: there is none. */
  take(bytes: number): Range | null {
    const index = this.#ranges.findIndex((range) => range.bytes >= bytes);
    if (index < 0) return null;
    const range = this.#ranges[index];
    const taken = { offset: range.offset, bytes };
    if (range.bytes === bytes) this.#ranges.splice(index, 1);
    else this.#ranges[index] = { offset: range.offset + bytes, bytes: range.bytes - bytes };
    return taken;
  }

  insert(range: Range): void {
    const free = this.#ranges;
    let index = free.findIndex((other) => other.offset > range.offset);
    if (index < 0) index = free.length;
    const before = free[index - 1];
    const after = free[index];
    const joinsBefore = before !== undefined && before.offset + before.bytes === range.offset;
    const joinsAfter = after !== undefined && range.offset + range.bytes === after.offset;
    if (joinsBefore && joinsAfter) {
      before.bytes += range.bytes + after.bytes;
      free.splice(index, 1);
    } else if (joinsBefore) before.bytes += range.bytes;
    else if (joinsAfter) {
      after.offset = range.offset;
      after.bytes += range.bytes;
    } else free.splice(index, 0, { ...range });
  }
}
