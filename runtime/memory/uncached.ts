/**
 * Operations of leases that have no region: registered one by one, in pieces, or through bounce
 * buffers (rules R1, R7, R8). Slower, and as right.
 */

import { bufferOf, byteOffsetOf, lengthOf } from '../base/bytes.ts';
import { EFAULT, ENOBUFS } from '../base/errno.ts';
import { MpiError } from '../base/error.ts';
import { BouncePool } from './bounce.ts';
import type { RegistrationCache } from './cache.ts';
import { COUNT, type Counters } from './counters.ts';
import type { DomainPort, Operation } from './domain.ts';
import type { Gate } from './gate.ts';
import { type Lease, type LeaseRecord, SERVICE_MODE } from './lease.ts';
import type { Region } from './region.ts';
import { BouncedTransfer, PIECE_BYTES, PiecewiseTransfer, type Slicer } from './transfer.ts';
import { changed, pagesAround, type View } from './view.ts';

/** What the uncached path shares with its manager. */
export interface UncachedContext<O extends Operation> {
  cache: RegistrationCache;
  port: DomainPort<O>;
  gate: Gate<O>;
  counters: Counters;
  pageBytes: number;
  addressOf: (view: View) => number;
  acquire(view: View, access: number): Lease;
  post(operation: O, lease: Lease): number;
}

/** The answer where an operation cannot have a registration for want of something. */
const WANTING = Number.MIN_SAFE_INTEGER;

export class UncachedPath<O extends Operation> {
  readonly #context: UncachedContext<O>;
  readonly #pool: BouncePool;
  readonly #slice: Slicer<O>;

  constructor(context: UncachedContext<O>) {
    this.#context = context;
    const { cache, addressOf, pageBytes, port } = context;
    this.#pool = new BouncePool(cache, addressOf, pageBytes);
    this.#slice = (operation, offset, length, done) => port.piece(operation, offset, length, done);
    // Where bounce buffers are the last resort, they must not be refused when they are needed.
    if (!port.plain) void this.#pool.region;
  }

  /** As the manager's `post`, for a lease without a region; the arguments have been checked. */
  post(operation: O, lease: LeaseRecord, offset: number, length: number): number {
    if (lease.mode === SERVICE_MODE.pieces)
      return this.#postPieces(operation, lease, offset, length);
    const address = lease.buffer!.base + byteOffsetOf(lease.view!) + offset;
    if (lease.mode === SERVICE_MODE.once) {
      const answer = this.#postOnce(operation, lease, address, length);
      if (answer !== WANTING) return answer;
    }
    return this.#postBounced(operation, lease, address, offset, length);
  }

  close(): void {
    this.#pool.close();
  }

  /** Registers for this operation alone. */
  #postOnce(operation: O, lease: LeaseRecord, address: number, length: number): number {
    const { cache, port, pageBytes } = this.#context;
    const { start, end } = pagesAround(address, length, pageBytes);
    const region = cache.registerOnce(start, end, lease.access);
    if (typeof region !== 'number') return this.#postOn(region, operation, lease, address, length);
    if (region !== -EFAULT) return WANTING;
    // No such memory, or none that may be pinned for this. A plain operation lets the kernel say
    // what is wrong with it, if anything is.
    if (port.plain) return this.#postPlain(operation, address, length);
    throw new MpiError(
      'ERR_BUFFER',
      `${length} bytes cannot be registered (EFAULT): the memory is gone, or may only be read`,
      {
        errno: EFAULT,
      },
    );
  }

  /** Posts on a registration of the operation's own, which ends when the operation has ended. */
  #postOn(
    region: Region,
    operation: O,
    lease: LeaseRecord,
    address: number,
    length: number,
  ): number {
    const { cache, port, gate, counters } = this.#context;
    counters.values[COUNT.uncached] += 1;
    if (port.deregisterWhilePosted) {
      const answer = gate.post(operation, region, address, length);
      cache.drop(region);
      return answer;
    }
    const ending = this.#slice(operation, 0, length, (result) => {
      cache.drop(region);
      operation.done(result);
    });
    // One that cannot be told from outside when it ends (memory exported to a peer) ends with its
    // lease.
    if (!ending) {
      lease.earlier ??= [];
      lease.earlier.push(region);
      return gate.post(operation, region, address, length);
    }
    const answer = gate.post(ending, region, address, length);
    if (answer < 0) cache.drop(region);
    return answer;
  }

  #postPlain(operation: O, address: number, length: number): number {
    this.#context.counters.values[COUNT.plain] += 1;
    return this.#context.gate.postPlain(operation, address, length);
  }

  #postBounced(
    operation: O,
    lease: LeaseRecord,
    address: number,
    offset: number,
    length: number,
  ): number {
    const { cache, port, gate, counters } = this.#context;
    const pool = this.#pool.region;
    if (!pool) {
      if (port.plain) return this.#postPlain(operation, address, length);
      throw new MpiError(
        'ERR_NO_MEM',
        `no page can be pinned for a bounce buffer: ${cache.budget.fix}`,
        { errno: ENOBUFS },
      );
    }
    counters.values[COUNT.bounced] += 1;
    const view = lease.view!;
    return new BouncedTransfer<O>(
      operation,
      new Uint8Array(bufferOf(view), byteOffsetOf(view) + offset, length),
      this.#slice,
      this.#pool,
      (piece, chunk, count) => gate.post(piece, pool, chunk.address, count),
    ).start();
  }

  #postPieces(operation: O, lease: LeaseRecord, offset: number, length: number): number {
    const context = this.#context;
    const view = lease.view!;
    const first = lease.buffer!.base + byteOffsetOf(view) + offset;
    const most = Math.min(PIECE_BYTES, context.port.regionBytesMax);
    let inner: Lease | undefined;
    return new PiecewiseTransfer<O>(operation, this.#slice, {
      length,
      // Pieces end at page boundaries, so that no page belongs to two.
      bytesAt: (at) => most - ((first + at) % context.pageBytes),
      post: (piece, at, count) => {
        if (lengthOf(view) !== lease.length) throw changed(lease.byteLength, view);
        const bytes = new Uint8Array(bufferOf(view), byteOffsetOf(view) + offset + at, count);
        inner = context.acquire(bytes, lease.access);
        const answer = context.post(piece, inner);
        if (answer < 0) inner.release();
        return answer;
      },
      release: () => inner?.release(),
    }).start();
  }
}
