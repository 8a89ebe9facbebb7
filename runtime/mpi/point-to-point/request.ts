/** Nonblocking operations (MPI 4.1, 3.7). */
import { inWords, lengthOf, NO_BYTES } from '../../base/bytes.ts';
import { ANY_TAG, PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import type { Engine } from '../../messaging/engine.ts';
import type { Link, Posted } from '../../messaging/matching/bins.ts';
import { COMPLETE, FAILED, type Operation, PENDING } from '../../messaging/operation.ts';
import { Status } from './status.ts';

/** What a request needs of its communicator. */
export interface Owner {
  readonly engine: Engine;
  /** The rank in the communicator of a rank of the world, which the wire knows. */
  rankOf(world: number): number;
}

/**
 * A send or receive that was started. It may be awaited, tested, or waited for; its buffer belongs to the
 * operation until it has ended.
 */
export abstract class StartedRequest implements PromiseLike<Status> {
  /** @internal */
  abstract readonly owner: Owner;
  /** @internal */
  abstract readonly state: number;
  /** @internal */
  abstract readonly error: MpiError | null;

  /** What a receive brought, what a send took. Meaningful once complete. */
  abstract readonly status: Status;

  /** @internal The operation as a promise; polls a while before it leaves the work to the loop. */
  abstract promise(): Promise<Status>;

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
   * @throws MpiError that the operation failed with; ERR_DEADLOCK where only this rank itself could
   *   complete it, which is then still under way
   */
  wait(): Status {
    this.waitForEnd();
    if (this.state === FAILED) throw this.error;
    return this.status;
  }

  /** @internal Blocks until the operation has ended. @throws MpiError ERR_DEADLOCK */
  abstract waitForEnd(): void;

  // biome-ignore lint/suspicious/noThenProperty: a request is awaited as a promise is
  then<A = Status, B = never>(
    onComplete?: ((status: Status) => A | PromiseLike<A>) | null,
    onError?: ((error: MpiError) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.promise().then(onComplete, onError);
  }

  /**
   * Blocks until all are complete (MPI_Waitall); their statuses are in the requests.
   * @throws MpiError ERR_REQUEST where they are no requests; of the first in order that failed, after all
   *   have ended; of one that can never end ERR_DEADLOCK, after all others have
   */
  static waitAll(requests: readonly StartedRequest[]): void {
    checkRequests(requests);
    let failed: MpiError | null = null;
    for (let i = 0; i < requests.length; i++) {
      const request = requests[i];
      try {
        if (request.state === PENDING) request.waitForEnd();
      } catch (error) {
        failed ??= error as MpiError;
      }
      if (request.state === FAILED) failed ??= request.error;
    }
    if (failed !== null) throw failed;
  }
}

/** A send that was complete when it started: all that is left of it is what it sent. */
export class CompleteSend extends StartedRequest {
  readonly owner: Owner;
  readonly #destination: number;
  readonly #tag: number;
  readonly #length: number;

  /** @internal @param destination a rank of the communicator */
  constructor(owner: Owner, destination: number, tag: number, length: number) {
    super();
    this.owner = owner;
    this.#destination = destination;
    this.#tag = tag;
    this.#length = length;
  }

  get state(): number {
    return COMPLETE;
  }

  get error(): null {
    return null;
  }

  get status(): Status {
    const status = new Status();
    status.source = this.#destination;
    status.tag = this.#tag;
    status.byteLength = this.#length;
    return status;
  }

  promise(): Promise<Status> {
    return Promise.resolve(this.status);
  }

  waitForEnd(): void {}
}

/**
 * A send or receive under way.
 *
 * It is its own link in the queue of posted receives: a receive costs one object.
 */
export class Request extends StartedRequest implements Operation {
  /** @internal What follows belongs to matching and the protocol engine. */
  next: Link<Posted> | null = null;
  /** @internal */
  previous: Link<Posted> | null = null;
  /** @internal */
  bin: Link<Posted>['bin'] = null;
  /** @internal While a send waits: the next one with its tag. */
  nextOfTag: Operation | null = null;
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
  /** @internal A send that ends no sooner than a receive has matched it. */
  synchronous = false;
  /** @internal The thread is blocked until it ends: its buffer cannot be taken away. */
  blocking = false;
  /** @internal The event loop makes progress for it. */
  tracked = false;
  /** @internal */
  error: MpiError | null = null;
  /** @internal */
  readonly owner: Owner;
  /** @internal Called when it has ended. */
  settled: (() => void) | null = null;
  #status: Status | null = null;

  /** @internal */
  constructor(owner: Owner, bytes: Uint8Array, context: number, peer: number, tag: number) {
    super();
    this.owner = owner;
    this.bytes = bytes;
    this.length = lengthOf(bytes);
    this.context = context;
    this.peer = peer;
    this.tag = tag;
  }

  /** @internal A request with PROC_NULL: complete from the start. */
  static ofNobody(owner: Owner, context: number): Request {
    return new Request(owner, NO_BYTES, context, PROC_NULL, ANY_TAG).completeWith(0);
  }

  /** @internal It is complete when it starts. */
  completeWith(length: number): this {
    this.matchedLength = length;
    this.state = COMPLETE;
    return this;
  }

  /** @internal The buffer still has all its bytes: it may have grown, but is not detached or shrunk. */
  get intact(): boolean {
    return lengthOf(this.bytes) >= this.length;
  }

  /** @internal */
  get item(): Posted {
    return this;
  }

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

  /** @internal */
  waitForEnd(): void {
    this.owner.engine.wait(this);
  }

  /** @internal The operation as a promise; polls a while before it leaves the work to the loop. */
  promise(): Promise<Status> {
    if (this.state === PENDING) this.owner.engine.loop.poll(this);
    if (this.state === COMPLETE) return Promise.resolve(this.status);
    if (this.state === FAILED) return Promise.reject(this.error);
    return new Promise((resolve, reject) => {
      const before = this.settled;
      const release = this.hold();
      this.settled = () => {
        before?.();
        release();
        if (this.state === FAILED) reject(this.error);
        else resolve(this.status);
      };
    });
  }

  /**
   * @internal Somebody awaits it: the process lives until it has ended, unless only the process itself
   * could end it.
   * @returns ends that
   */
  hold(): () => void {
    const { engine } = this.owner;
    const { loop } = engine;
    if (this.peer === engine.rank) {
      loop.wake();
      return nothing;
    }
    loop.hold();
    return () => loop.release();
  }
}

function nothing(): void {}

function checkRequests(requests: readonly StartedRequest[]): void {
  if (!Array.isArray(requests)) throw noRequest(requests);
  for (let i = 0; i < requests.length; i++)
    if (!(requests[i] instanceof StartedRequest)) throw noRequest(requests[i]);
}

function noRequest(value: unknown): MpiError {
  return new MpiError(
    'ERR_REQUEST',
    `${inWords(value)} cannot be waited for: it is no request of isend or irecv`,
  );
}
