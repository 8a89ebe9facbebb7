/**
 * The words of a small buffer that is used again and again. Eight bytes copied one by one take longer
 * than the rest of a send; as one word of 64 bits they take almost nothing, and 64 bytes less than half
 * of what words of 32 bits take. (V8 moves what a BigInt64Array holds without making a BigInt of it.)
 *
 * The alias is made at the second use in a row, so that buffers used once cost nothing.
 */

import { bufferOf, byteOffsetOf, lengthOf } from '../../runtime/base/bytes.ts';

/** Buffers of larger memory get no alias: it holds the memory until another buffer comes. */
const MEMORY_MAX = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
const NO_LONGS = new BigInt64Array(0);
const NO_WORDS = new Int32Array(0);

export class BodyAlias {
  /** The buffer of which this is the alias. */
  bytes: Uint8Array = NO_BYTES;
  /** The same memory in words of 64 bits; empty where there is no alias (yet), or not in such words. */
  longs: BigInt64Array = NO_LONGS;
  /** The same memory in words of 32 bits; empty where `longs` is not, too. */
  words: Int32Array = NO_WORDS;
  #uses = 0;

  /** Whether the buffer is not detached: V8 may tell the length that a view had before. */
  get isThere(): boolean {
    return this.bytes[0] !== undefined;
  }

  /** Takes note that `bytes` are used. */
  use(bytes: Uint8Array): void {
    if (bytes === this.bytes) {
      if (this.#uses === 1) this.#make();
      this.#uses = 2;
      return;
    }
    this.bytes = bytes;
    this.longs = NO_LONGS;
    this.words = NO_WORDS;
    this.#uses = 1;
  }

  #make(): void {
    const buffer = bufferOf(this.bytes);
    const byteOffset = byteOffsetOf(this.bytes);
    const length = lengthOf(this.bytes);
    // Of a detached buffer no other view can be made.
    if (length === 0) return;
    if (buffer.byteLength > MEMORY_MAX) this.bytes = NO_BYTES;
    else if ((byteOffset | length) % 8 === 0)
      this.longs = new BigInt64Array(buffer, byteOffset, length / 8);
    else if ((byteOffset | length) % 4 === 0)
      this.words = new Int32Array(buffer, byteOffset, length / 4);
  }
}

/**
 * Copies `count` words. Written out by four: V8 looks at each array's length anew in each turn of a loop,
 * and while one end writes slowly the other takes the line away from it.
 */
export function copyLongs(
  to: BigInt64Array,
  at: number,
  from: BigInt64Array,
  start: number,
  count: number,
): void {
  let i = 0;
  for (; i <= count - 4; i += 4) {
    to[at + i] = from[start + i];
    to[at + i + 1] = from[start + i + 1];
    to[at + i + 2] = from[start + i + 2];
    to[at + i + 3] = from[start + i + 3];
  }
  for (; i < count; i++) to[at + i] = from[start + i];
}
