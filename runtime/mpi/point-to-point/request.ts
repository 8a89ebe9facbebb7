/** Nonblocking operations (MPI 4.1, 3.7). */
import { PROC_NULL } from '../../base/constants.ts';
import type { MpiError } from '../../base/error.ts';
import type { Engine } from '../../messaging/engine.ts';
import type { Link, Posted } from '../../messaging/matching/bins.ts';
import { Status } from './status.ts';

export const PENDING = 0;
export const COMPLETE = 1;
export const FAILED = 2;

/** What a request needs of its communicator. */
export interface Owner {
  readonly engine: Engine;
  /** The rank in the communicator of a rank of the world, which the wire knows. */
  rankOf(world: number): number;
}

/**
 * A send or receive under way. It may be awaited, tested, or waited for; its buffer belongs to the
 * operation until then.
 *
 * It is its own link in the queue of posted receives: a receive costs one object.
 */
export class Request implements PromiseLike<Status>, Posted, Link<Posted> {
  /** @internal What follows belongs to matching and the protocol engine. */
  next: Link<Posted> | null = null;
  /** @internal */
  previous: Link<Posted> | null = null;
  /** @internal */
  bin: Link<Posted>['bin'] = null;
  /** @internal */
  order = 0;
  /** @internal World rank of a receive's source (or a wildcard), or of a send's destination. */
  peer = 0;
  /** @internal */
  tag = 0;
  /** @internal */
  context = 0;
  /** @internal The buffer's bytes: held strongly while the operation lives. */
  bytes: Uint8Array;
  /** @internal How long `bytes` was when the operation began. */
  length = 0;
  /** @internal Bytes of the message, once complete; `peer` and `tag` are then the message's too. */
  matchedLength = 0;
  /** @internal */
  state = PENDING;
  /** @internal */
  isSend = false;
  /** @internal The event loop makes progress for it. */
  tracked = false;
  /** @internal */
  error: MpiError | null = null;
  /** @internal */
  readonly owner: Owner;
  /** @internal Set by `then`. */
  settled: (() => void) | null = null;
  #status: Status | null = null;

  /** @internal */
  constructor(owner: Owner, bytes: Uint8Array, context: number, peer: number, tag: number) {
    this.owner = owner;
    this.bytes = bytes;
    this.length = bytes.length;
    this.context = context;
    this.peer = peer;
    this.tag = tag;
  }

  /** @internal */
  get item(): Posted {
    return this;
  }

  /** What the receive brought; of a send only that it is there. Meaningful once complete. */
  get status(): Status {
    this.#status ??= this.fill(new Status());
    return this.#status;
  }

  /** @internal Writes the outcome into a status. */
  fill(status: Status): Status {
    if (this.peer === PROC_NULL) return status.setNull();
    status.source = this.owner.rankOf(this.peer);
    status.tag = this.tag;
    status.byteLength = this.matchedLength;
    return status;
  }

  /** Whether the operation has ended, well or not, without making progress. */
  get done(): boolean {
    return this.state !== PENDING;
  }

  /**
   * Makes progress once, and says whether the operation is complete (MPI_Test).
   * @throws MpiError that the operation failed with
   */
  test(): boolean {
    if (this.state === PENDING) this.owner.engine.progress();
    if (this.state === FAILED) throw this.error;
    return this.state === COMPLETE;
  }

  /**
   * Blocks the thread until the operation is complete (MPI_Wait).
   * @throws MpiError that the operation failed with
   */
  wait(): Status {
    this.owner.engine.wait(this);
    if (this.state === FAILED) throw this.error;
    return this.status;
  }

  // biome-ignore lint/suspicious/noThenProperty: a request is awaited as a promise is
  then<A = Status, B = never>(
    onComplete?: ((status: Status) => A | PromiseLike<A>) | null,
    onError?: ((error: MpiError) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.promise().then(onComplete, onError);
  }

  /** @internal The operation as a promise; polls a while before it leaves the work to the loop. */
  promise(): Promise<Status> {
    const { loop } = this.owner.engine;
    if (this.state === PENDING) loop.poll(this);
    if (this.state === COMPLETE) return Promise.resolve(this.status);
    if (this.state === FAILED) return Promise.reject(this.error);
    return new Promise((resolve, reject) => {
      const before = this.settled;
      if (before === null) loop.hold();
      this.settled = () => {
        before?.();
        if (this.state === FAILED) reject(this.error);
        else resolve(this.status);
      };
    });
  }

  /**
   * Blocks until all are complete (MPI_Waitall); their statuses are in the requests.
   * @throws MpiError of the first in order that failed, after all have ended
   */
  static waitAll(requests: readonly Request[]): void {
    let failed: MpiError | null = null;
    for (let i = 0; i < requests.length; i++) {
      const request = requests[i];
      if (request.state === PENDING) request.owner.engine.wait(request);
      if (request.state === FAILED) failed ??= request.error;
    }
    if (failed !== null) throw failed;
  }
}
