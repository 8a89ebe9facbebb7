/**
 * The block of a communicator whose ranks are all on one node (docs/internals/control-lines.md#lines), in lines of 128
 * bytes:
 *
 *     a status line for each rank | for each slot a line for each rank
 *     for each rank an area: data of each slot, and a page for a text
 *
 * The slots are used in turn, one a round. All words of a line are its rank's alone to write.
 */

/** Slots: so many rounds may be under way. A power of two. */
export const LINE_SLOTS = 8;
/** Two cache lines: processors fetch neighbours in pairs. */
export const LINE_BYTES = 128;
export const LINE_WORDS = LINE_BYTES / 4;

/** A line, as Int32 indices. */
export const LINE = {
  /** The number of the round, modulo 2^32: written last. */
  round: 0,
  /** What is called, and with how many bytes: the same at all ranks. */
  call: 1,
  length: 2,
  /** The last round whose lines, and those of all before it, this rank has read. */
  done: 3,
  payload: 4,
} as const;
/** Longest payload that lies in its line. */
export const INLINE_BYTES = LINE_BYTES - LINE.payload * 4;

/** A status line, as Int32 indices. */
export const STATUS = {
  /** As in a line, and of rounds that were read since. */
  done: 0,
  /** Not 0 once the rank has given up an operation that others may still wait for. */
  broken: 1,
  /** Whether it has the lines, and memory for its area: {@link HAS}, {@link LACKS}; 0 before it says so. */
  lines: 2,
  area: 3,
} as const;
export const HAS = 1;
export const LACKS = 2;
/** {@link STATUS.broken}: its text says why; or it had no memory for one. */
export const GAVE_UP = 1;
export const GAVE_UP_SILENTLY = 2;

/** Data of a rank in one slot: what does not lie in its line. A slot of eight is half of a usual first-level cache. */
export const SLOT_BYTES = 16384;
/** The text behind the data: its length in a word, then the text. */
export const TEXT_BYTES = 4096;
export const AREA_BYTES = LINE_SLOTS * SLOT_BYTES + TEXT_BYTES;

/** Bytes of the lines of so many ranks. */
export function linesBytes(ranks: number): number {
  return (1 + LINE_SLOTS) * ranks * LINE_BYTES;
}
