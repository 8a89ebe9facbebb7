/** What the two ends of a ring agree on: where in a region things lie, and the bits of a header. */
import {
  CELL_BYTES,
  CELL_WORDS,
  CELLS,
  DATA_ALIGNMENT,
  DATA_BYTES,
  INLINE_BYTES,
  REGION,
} from './layout.ts';

export const DATA_MASK = DATA_BYTES - 1;
/** Bit 31 of `kindContext`: extension words stand at the body's place, the body in the data ring. */
export const EXTENDED = 1 << 31;
/** Bit 30: with this packet the ring begins anew. */
export const REWOUND = 1 << 30;
/** Up to this many bytes a loop beats the call of TypedArray.set. */
export const LOOP_BYTES = 12;

/**
 * Positions are counted modulo 2^32. A position that was written this many packets ago is written anew, or
 * is not believed any more, long before the count comes round to it.
 */
export const RING_STALE_PACKETS = 2 ** 30;
/**
 * The same for bytes of the data ring: each time the ring begins anew, their count goes on to a multiple of
 * the ring's size.
 */
export const RING_STALE_BYTES = 2 ** 30;

/** Int32 indices in the receiver's line. */
export const CELLS_CONSUMED = 0;
export const DATA_CONSUMED = 1;
export const CREDIT_RETURNED = 2;

export interface Views {
  line: Int32Array;
  claims: Int32Array;
  /** The cells, in words of 32 and 64 bits and in bytes. */
  words: Int32Array;
  longs: BigInt64Array;
  bytes: Uint8Array;
  data: Uint8Array;
}

export function viewsOf(region: ArrayBuffer): Views {
  return {
    line: new Int32Array(region, REGION.receiverLine, 16),
    claims: new Int32Array(region, REGION.claimLine, 16),
    words: new Int32Array(region, REGION.cells, CELLS * CELL_WORDS),
    longs: new BigInt64Array(region, REGION.cells, (CELLS * CELL_BYTES) / 8),
    bytes: new Uint8Array(region, REGION.cells, CELLS * CELL_BYTES),
    data: new Uint8Array(region, REGION.data, DATA_BYTES),
  };
}

/**
 * Where a body of `length` bytes goes in the data ring at `position`. A body never goes around the ring's
 * end.
 */
export function placeOf(position: number, length: number): number {
  const at = position & DATA_MASK;
  return at + length > DATA_BYTES ? (position + DATA_BYTES - at) | 0 : position;
}

/** Where in the cells a body of `length` bytes begins: it ends where the header begins. */
export function inlineAt(cell: number, length: number): number {
  return cell * 4 + INLINE_BYTES - ((length + 7) & -8);
}

/** The next position at which the data ring's first byte stands. */
export function ringStart(position: number): number {
  return (position + DATA_MASK) & ~DATA_MASK;
}

export function roundUp(length: number): number {
  return (length + DATA_ALIGNMENT - 1) & -DATA_ALIGNMENT;
}
