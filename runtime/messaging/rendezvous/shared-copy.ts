/**
 * A copy between two buffers that both ends map, done by both: each claims the next chunk and copies
 * it, so that the sender's core works too where it would only wait. A claim is a compare-and-swap on
 * one word that holds the copy's generation beside the next chunk's number: an end that comes late
 * finds another generation, or no chunk left, and touches nothing.
 *
 * Of a generation the word holds 16 bits. They cannot come round to a sender that still holds an old
 * one: it says which it answered last, and the receiver opens no copy while it owes more than
 * {@link SHARES_UNANSWERED_MAX} answers. The other end may write anything here: neither waits for a word
 * to change, and neither goes on where the chunks' number does not.
 */
import { MpiError } from '../../base/error.ts';

/** Bytes of a piece; or half of the message, if that is less. */
export const SHARED_CHUNK_BYTES = 64 * 1024;
/** The shortest message that both ends copy. */
export const SHARED_COPY_MIN = 32 * 1024;
/**
 * Shared copies of a sender that the sender has not answered, at most. The receiver makes further ones
 * alone.
 */
export const SHARES_UNANSWERED_MAX = 8;
/** Looks at whether the sender has finished its last piece. Then the receiver asks it to say so. */
export const SHARE_LOOKS = 4096;

const GENERATION_SHIFT = 16;
const CHUNK_MASK = 0xffff;
const CHUNKS_MAX = 1 << 15;

/** Indices in the claim words. The sender writes the last one, for all copies there were. */
const CLAIM = 0;
const DONE = 1;
const BROKEN = 2;
const ANSWERED = 3;

function chunkBytes(length: number): number {
  // Both ends get something to do, of a small message too.
  let bytes = Math.min(SHARED_CHUNK_BYTES, Math.ceil(length / 8192) * 4096);
  while (length / bytes > CHUNKS_MAX) bytes *= 2;
  return bytes;
}

/** Copies the bytes [at, at + bytes) of what is shared. */
export type CopyPiece = (at: number, bytes: number) => void;

/**
 * Claims and copies chunks until there are none.
 * @throws MpiError ERR_PROTOCOL where the other end changes what it must not; what `copy` throws
 */
function copyClaimed(words: Int32Array, generation: number, length: number, copy: CopyPiece): void {
  const chunk = chunkBytes(length);
  const bits = generation & CHUNK_MASK;
  for (let least = 0; ; least++) {
    const word = Atomics.load(words, CLAIM);
    if (word >>> GENERATION_SHIFT !== bits) return;
    const index = word & CHUNK_MASK;
    if (index < least)
      throw new MpiError('ERR_PROTOCOL', 'a peer gives a chunk of a shared copy away twice');
    least = index;
    const at = index * chunk;
    if (at >= length) return;
    if (Atomics.compareExchange(words, CLAIM, word, (word + 1) | 0) !== word) continue;
    try {
      copy(at, Math.min(chunk, length - at));
    } catch (error) {
      Atomics.store(words, BROKEN, generation);
      throw error;
    } finally {
      Atomics.add(words, DONE, 1);
    }
  }
}

/** The sender's part in a copy: chunks that the receiver has not claimed. */
export function helpCopy(
  words: Int32Array,
  generation: number,
  length: number,
  copy: CopyPiece,
): void {
  // At once, while the line comes here anyway. Of copies that are opened meanwhile there are few.
  words[ANSWERED] = generation;
  copyClaimed(words, generation, length, copy);
}

/** The receiver's end of the words that it shares with one peer: one copy at a time. */
export class SharedCopies {
  readonly #words: Int32Array;
  /** The generation of the copy, or of the last one: how many copies there were, modulo 2^32. */
  generation = 0;
  #open = false;
  #length = 0;
  /** Pieces that somebody works on, or did; of a copy that goes on, all. */
  #claimed = 0;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Opens a copy of so many bytes; false: that cannot be now. */
  open(length: number): boolean {
    const unanswered = (this.generation - Atomics.load(this.#words, ANSWERED)) | 0;
    if (this.#open || unanswered < 0 || unanswered >= SHARES_UNANSWERED_MAX) return false;
    this.generation = (this.generation + 1) | 0;
    this.#open = true;
    this.#length = length;
    this.#claimed = Math.ceil(length / chunkBytes(length));
    Atomics.store(this.#words, DONE, 0);
    Atomics.store(this.#words, CLAIM, this.generation << GENERATION_SHIFT);
    return true;
  }

  /**
   * Copies the pieces that the sender does not. An error ends the copy: no piece can be claimed any more.
   */
  copy(copy: CopyPiece): void {
    try {
      copyClaimed(this.#words, this.generation, this.#length, copy);
    } catch (error) {
      const word = Atomics.or(this.#words, CLAIM, CHUNK_MASK);
      this.#claimed = Math.min(word & CHUNK_MASK, this.#claimed);
      throw error;
    }
  }

  /**
   * Waits a short while until nobody works on a piece any more.
   * @returns whether that is so
   */
  settles(): boolean {
    for (let looks = SHARE_LOOKS; looks > 0; looks--) if (this.#settled) return true;
    return false;
  }

  get #settled(): boolean {
    return Atomics.load(this.#words, DONE) >= this.#claimed;
  }

  /**
   * Ends a copy on which nobody works any more.
   * @returns whether the sender could not copy what it had claimed
   * @throws MpiError ERR_PROTOCOL where it says that it is done, and is not
   */
  close(): boolean {
    this.#open = false;
    if (!this.#settled)
      throw new MpiError('ERR_PROTOCOL', 'a peer has left chunks of a shared copy undone');
    return Atomics.load(this.#words, BROKEN) === this.generation;
  }
}
