/**
 * The words of a small buffer that is used again and again. Eight bytes copied one by one take longer
 * than the rest of a send; as two words they take almost nothing. The alias is made at the second use
 * in a row, so that buffers used once cost nothing.
 */

/** Buffers of larger memory get no alias: it holds the memory until another buffer comes. */
const MEMORY_MAX = 64 * 1024;
const NO_BYTES = new Uint8Array(0);

export class WordAlias {
  #bytes: Uint8Array = NO_BYTES;
  #words: Int32Array | null = null;
  #uses = 0;

  /** The words of `bytes`, or null where there is no alias (yet). Their length is the bytes' / 4. */
  of(bytes: Uint8Array): Int32Array | null {
    if (bytes === this.#bytes && this.#uses > 1) return this.#words;
    return this.#look(bytes);
  }

  #look(bytes: Uint8Array): Int32Array | null {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#words = null;
      this.#uses = 1;
      return null;
    }
    this.#uses++;
    const { buffer, byteOffset, length } = bytes;
    if (buffer.byteLength > MEMORY_MAX) {
      this.#bytes = NO_BYTES;
      return null;
    }
    if (byteOffset % 4 === 0 && length % 4 === 0)
      this.#words = new Int32Array(buffer, byteOffset, length / 4);
    return this.#words;
  }
}
