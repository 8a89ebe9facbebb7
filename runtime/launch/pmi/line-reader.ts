/** Cuts a stream of bytes into PMI lines, within a limit. */

/** A longer PMI line is answered as malformed; our own clients and MPICH's stay below 1 KiB. */
export const PMI_LINE_MAX = 64 * 1024;

/** Stands for a line that exceeded the limit. */
export const OVERLONG = Symbol('overlong');

export class LineReader {
  #rest = '';
  /** Inside a line that is too long already: the rest of it is dropped. */
  #skipping = false;

  /** The lines that these bytes complete, without their newlines. */
  *feed(bytes: Buffer): Generator<string | typeof OVERLONG> {
    const pieces = bytes.toString('latin1').split('\n');
    for (const [index, piece] of pieces.entries()) {
      const complete = index < pieces.length - 1;
      if (this.#rest.length + piece.length > PMI_LINE_MAX) this.#skipping = true;
      this.#rest = this.#skipping ? '' : this.#rest + piece;
      if (!complete) return;
      yield this.#skipping ? OVERLONG : this.#rest;
      this.#rest = '';
      this.#skipping = false;
    }
  }
}
