/** Nonblocking operations (MPI 4.1, 3.7). */
import type { MpiError } from './error.ts';
import { Link, type Posted } from './matching.ts';
import type { Engine } from './protocol/engine.ts';
import { Status } from './status.ts';

export const PENDING = 0;
export const COMPLETE = 1;
export const FAILED = 2;

/** Translates world ranks, which the wire knows, to ranks of a communicator. */
export interface RankTranslation {
  rankOf(world: number): number;
}

/**
 * A send or receive under way. It may be awaited, tested, or waited for; its buffer belongs to the
 * operation until then.
 */
export class Request implements PromiseLike<Status>, Posted {
  /** @internal What follows belongs to matching and the protocol engine. */
  readonly link: Link<Posted> = new Link<Posted>(this);
  /** @internal World rank, or a wildcard. */
  source = 0;
  /** @internal */
  tag = 0;
  /** @internal */
  order = 0;
  /** @internal */
  context = 0;
  /** @internal World rank of a send's destination. */
  destination = 0;
  /** @internal The buffer's bytes: held strongly while the operation lives. */
  bytes: Uint8Array;
  /** @internal How long `bytes` was when the operation began. */
  length = 0;
  /** @internal */
  state = PENDING;
  /** @internal */
  isSend = false;
  /** @internal The event loop makes progress for it. */
  tracked = false;
  /** @internal */
  error: MpiError | null = null;
  /** @internal */
  translation: RankTranslation;
  /** @internal */
  readonly engine: Engine;
  /** @internal Set by `then`. */
  settled: (() => void) | null = null;
  /** What the receive brought; of a send only that it is there. Meaningful once complete. */
  status: Status;

  /** @internal */
  constructor(engine: Engine, bytes: Uint8Array, translation: RankTranslation) {
    this.engine = engine;
    this.bytes = bytes;
    this.length = bytes.length;
    this.translation = translation;
    this.status = new Status();
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
    if (this.state === PENDING) this.engine.progress();
    if (this.state === FAILED) throw this.error;
    return this.state === COMPLETE;
  }

  /**
   * Blocks the thread until the operation is complete (MPI_Wait).
   * @throws MpiError that the operation failed with
   */
  wait(): Status {
    this.engine.wait(this);
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
    if (this.state === PENDING) this.engine.loop.poll(this);
    if (this.state === COMPLETE) return Promise.resolve(this.status);
    if (this.state === FAILED) return Promise.reject(this.error);
    return new Promise((resolve, reject) => {
      const before = this.settled;
      if (before === null) this.engine.loop.hold();
      this.settled = () => {
        before?.();
        if (this.state === FAILED) reject(this.error);
        else resolve(this.status);
      };
    });
  }

  /**
   * Blocks until all are complete (MPI_Waitall).
   * @returns their statuses, in the order of the requests
   * @throws MpiError of the first in order that failed, after all have ended
   */
  static waitAll(requests: readonly Request[]): Status[] {
    let failed: MpiError | null = null;
    for (const request of requests) {
      request.engine.wait(request);
      if (request.state === FAILED) failed ??= request.error;
    }
    if (failed !== null) throw failed;
    return requests.map((request) => request.status);
  }
}
