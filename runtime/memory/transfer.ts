/**
 * Operations that go in pieces: through bounce buffers, or because no single registration can be so
 * long. To the caller it is one operation: one `done`, with the bytes moved in all.
 */

import { setImmediate } from '../base/clock.ts';
import { EAGAIN, EFAULT, ENOBUFS } from '../base/errno.ts';
import { MpiError } from '../base/error.ts';
import type { BouncePool, Chunk } from './bounce.ts';
import type { Operation } from './domain.ts';

/** Pieces of an operation longer than one registration can be. */
export const PIECE_BYTES = 64 * 2 ** 20;

type Done = (result: number) => void;

/** Makes the part of an operation that one piece is; see `DomainPort.piece`. */
export type Slicer<O> = (operation: O, offset: number, length: number, done: Done) => O | undefined;

/** One piece after the other. */
export abstract class Transfer<O extends Operation> {
  protected readonly operation: O;
  readonly #slice: Slicer<O>;
  readonly #length: number;
  #moved = 0;

  constructor(operation: O, length: number, slice: Slicer<O>) {
    this.operation = operation;
    this.#length = length;
    this.#slice = slice;
  }

  /** Posts the first piece: a value >= 0, or a negative errno and nothing was posted. */
  start(): number {
    const offset = this.#moved;
    const length = Math.min(this.pieceBytes(offset), this.#length - offset);
    let finish: Done = () => {};
    const piece = this.#slice(this.operation, offset, length, (result) => finish(result));
    if (!piece) return -ENOBUFS;
    finish = (result) => this.#ended(length, this.finish(result));
    return this.post(piece, offset, length);
  }

  /** Bytes, at most, of the piece that begins at `offset`. */
  protected abstract pieceBytes(offset: number): number;

  /** Posts one piece: as a domain's `post`. */
  protected abstract post(piece: O, offset: number, length: number): number;

  /** A piece is done: gives back what it used. Answers the result to go on with. */
  protected abstract finish(result: number): number;

  /** The next piece, after the first; a full queue is asked again in the next turn of the loop. */
  protected proceed(): void {
    let answer: number;
    try {
      answer = this.start();
    } catch (error) {
      // The buffer went away under the operation; the caller sees how far it came.
      if (!(error instanceof MpiError)) throw error;
      answer = -(error.errno ?? EFAULT);
    }
    if (answer === -EAGAIN) setImmediate(() => this.proceed());
    else if (answer < 0) this.#end(answer);
  }

  #ended(length: number, result: number): void {
    if (result > 0) this.#moved += result;
    if (result < length || this.#moved === this.#length) this.#end(result);
    else this.proceed();
  }

  #end(result: number): void {
    this.operation.done(this.#moved > 0 ? this.#moved : result);
  }
}

/** Through bounce buffers: copied before it leaves, or after it has come. */
export class BouncedTransfer<O extends Operation> extends Transfer<O> {
  readonly #pool: BouncePool;
  readonly #bytes: Uint8Array;
  readonly #post: (piece: O, chunk: Chunk, length: number) => number;
  #chunk: Chunk | undefined;
  #at = 0;

  constructor(
    operation: O,
    bytes: Uint8Array,
    slice: Slicer<O>,
    pool: BouncePool,
    post: (piece: O, chunk: Chunk, length: number) => number,
  ) {
    super(operation, bytes.length, slice);
    this.#pool = pool;
    this.#bytes = bytes;
    this.#post = post;
  }

  protected pieceBytes(): number {
    return this.#pool.chunkBytes;
  }

  protected post(piece: O, offset: number, length: number): number {
    // Detached or shrunk since the operation began.
    if (this.#bytes.length < offset + length) return -EFAULT;
    const chunk = this.#pool.take();
    if (!chunk) {
      this.#pool.wait(() => this.proceed());
      return 0;
    }
    if (this.operation.direction === 'out')
      chunk.bytes.set(this.#bytes.subarray(offset, offset + length));
    const answer = this.#post(piece, chunk, length);
    if (answer < 0) this.#pool.give(chunk);
    else this.#chunk = chunk;
    this.#at = offset;
    return answer;
  }

  protected finish(result: number): number {
    const chunk = this.#chunk!;
    this.#chunk = undefined;
    let answer = result;
    if (this.operation.direction === 'in' && result > 0) {
      if (this.#bytes.length === 0) answer = -EFAULT;
      else this.#bytes.set(chunk.bytes.subarray(0, result), this.#at);
    }
    this.#pool.give(chunk);
    return answer;
  }
}

/** What a piecewise transfer needs to know of its pieces. */
export interface Pieces<O> {
  length: number;
  /** Bytes, at most, of the piece that begins at `offset`. */
  bytesAt(offset: number): number;
  /** Posts a piece, as a domain's `post`. */
  post(piece: O, offset: number, length: number): number;
  /** The piece posted last is done. */
  release(): void;
}

/** Each piece with a lease of its own. */
export class PiecewiseTransfer<O extends Operation> extends Transfer<O> {
  readonly #pieces: Pieces<O>;

  constructor(operation: O, slice: Slicer<O>, pieces: Pieces<O>) {
    super(operation, pieces.length, slice);
    this.#pieces = pieces;
  }

  protected pieceBytes(offset: number): number {
    return this.#pieces.bytesAt(offset);
  }

  protected post(piece: O, offset: number, length: number): number {
    return this.#pieces.post(piece, offset, length);
  }

  protected finish(result: number): number {
    this.#pieces.release();
    return result;
  }
}
