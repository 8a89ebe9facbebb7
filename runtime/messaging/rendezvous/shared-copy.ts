/**
 * A copy between two buffers that both ends map, done by both: each claims the next piece and copies
 * it, so that the sender's core works too where it would only wait. A claim is a compare-and-swap on
 * one word that holds the copy's generation beside the next piece's number: an end that comes late
 * finds another generation, or no piece left, and touches nothing.
 */

/** Pieces are of this many bytes, or a half of the message if that is less. */
export const SHARED_PIECE_BYTES = 64 * 1024;
/** Messages from this size on are copied by both ends. */
export const SHARED_COPY_MIN = 32 * 1024;
const GENERATION_SHIFT = 16;
const PIECES_MAX = 1 << 15;

/** Indices in the claim words. */
const CLAIM = 0;
const DONE = 1;
const BROKEN = 2;

export function pieceBytes(length: number): number {
  // Both ends get something to do, of a small message too.
  let bytes = Math.min(SHARED_PIECE_BYTES, Math.ceil(length / 8192) * 4096);
  while (length / bytes > PIECES_MAX) bytes *= 2;
  return bytes;
}

/** Opens a copy: only the receiver calls it, with no other copy open on these words. */
export function openClaims(words: Int32Array, generation: number): void {
  Atomics.store(words, DONE, 0);
  Atomics.store(words, CLAIM, generation << GENERATION_SHIFT);
}

/** Claims and copies pieces until there are none; how many bytes this end copied. */
export function copyClaimed(
  words: Int32Array,
  generation: number,
  length: number,
  copy: (at: number, bytes: number) => void,
): number {
  const piece = pieceBytes(length);
  let copied = 0;
  for (;;) {
    const word = Atomics.load(words, CLAIM);
    if (word >>> GENERATION_SHIFT !== generation) return copied;
    const at = (word & 0xffff) * piece;
    if (at >= length) return copied;
    if (Atomics.compareExchange(words, CLAIM, word, (word + 1) | 0) !== word) continue;
    const bytes = Math.min(piece, length - at);
    try {
      copy(at, bytes);
    } catch (error) {
      Atomics.store(words, BROKEN, generation);
      throw error;
    } finally {
      Atomics.add(words, DONE, 1);
    }
    copied += bytes;
  }
}

/** Whether an end failed to copy a piece that it had claimed: the copy is void. */
export function claimsBroken(words: Int32Array, generation: number): boolean {
  return Atomics.load(words, BROKEN) === generation;
}

/**
 * Ends a copy that failed: no piece can be claimed any more.
 * @returns how many pieces were claimed until then
 */
export function closeClaims(words: Int32Array): number {
  const word = Atomics.exchange(words, CLAIM, 0);
  return word & 0xffff;
}

/** How many of the pieces claimed nobody works on any more, copied or not. */
export function piecesDone(words: Int32Array): number {
  return Atomics.load(words, DONE);
}

/** Whether every piece was worked on; see {@link claimsBroken}. */
export function claimsDone(words: Int32Array, length: number): boolean {
  return Atomics.load(words, DONE) >= Math.ceil(length / pieceBytes(length));
}
