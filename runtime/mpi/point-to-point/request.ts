/** Nonblocking operations (MPI 4.1, 3.7). */
import type { Noncontiguous } from '../../../transports/transport.ts';
import { inWords, isBytes, lengthOf, NO_BYTES } from '../../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG, PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import type { Members } from '../../messaging/contexts/pair.ts';
import { type CallSite, noteCallSite } from '../../messaging/deadlock/call-site.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import type { Engine } from '../../messaging/engine.ts';
import type { Link, Posted } from '../../messaging/matching/bins.ts';
import { COMPLETE, FAILED, type Operation, PENDING } from '../../messaging/operation.ts';
import type { Payload } from '../datatype/data.ts';
import { Status } from './status.ts';

/** What a request needs of its communicator. */
export interface Owner {
  readonly engine: Engine;
  /** The rank in the communicator of a rank of the world, which the wire knows. */
  rankOf(world: number): number;
  /** Those that can be addressed. */
  readonly members: Members;
  /** What errors and tables call the communicator. */
  readonly name: string;
  /** Of the program's messages; the next one is the library's own. */
  readonly context: number;
}

/**
 * A send or receive that was started. It may be awaited, tested, or waited for; its buffer belongs to the
 * operation until it has ended.
 */
export abstract class StartedRequest implements PromiseLike<Status> {
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
    if (this.state === PENDING) this.makeProgress();
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

  /** @internal Asked while it is under way. */
  abstract makeProgress(): void;

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
    if (areComplete(requests)) return;
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

/**
 * A send that was complete when it started: all that is left of it is what it sent. There is one for each
 * small message, so it has no field more, and none that is defined before it is set.
 */
export class CompleteSend extends StartedRequest {
  /** @internal A rank of the communicator. */
  declare readonly destination: number;
  /** @internal */
  declare readonly tag: number;
  /** @internal */
  declare readonly length: number;

  /** @internal */
  constructor(destination: number, tag: number, length: number) {
    super();
    this.destination = destination;
    this.tag = tag;
    this.length = length;
  }

  get state(): number {
    return COMPLETE;
  }

  get error(): null {
    return null;
  }

  get status(): Status {
    const status = new Status();
    status.source = this.destination;
    status.tag = this.tag;
    status.byteLength = this.length;
    return status;
  }

  promise(): Promise<Status> {
    return Promise.resolve(this.status);
  }

  makeProgress(): void {}

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
  // What the constructor sets is not defined before: there is a request for each nonblocking call.
  /** @internal World rank of a receive's source (or a wildcard), or of a send's destination. */
  declare peer: number;
  /** @internal */
  declare tag: number;
  /** @internal */
  declare context: number;
  /** @internal The buffer's bytes: held strongly while the operation lives. */
  declare bytes: Uint8Array;
  /** @internal Bytes of the message, or of the room for it, when the operation began. */
  declare length: number;
  /** @internal The message's bytes, where they do not lie side by side: `bytes` is then empty. */
  noncontiguous: Noncontiguous | null = null;
  /** @internal Bytes of the message, once complete; `peer` and `tag` are then the message's too. */
  matchedLength = 0;
  /** @internal */
  state = PENDING;
  /** @internal */
  isSend = false;
  /** @internal The thread is blocked until it ends: its buffer cannot be taken away. */
  blocking = false;
  /** @internal The event loop makes progress for it. */
  tracked = false;
  /** @internal */
  error: MpiError | null = null;
  /** @internal */
  declare readonly owner: Owner;
  /** @internal Called when it has ended. */
  settled: (() => void) | null = null;
  /** @internal Where it is awaited. */
  site: CallSite | null = null;
  /** @internal Tells whoever awaits it that nobody will ever end it. */
  abandoned: ((error: MpiError) => void) | null = null;
  #status: Status | null = null;

  /** @internal @param length of `bytes` */
  constructor(
    owner: Owner,
    bytes: Uint8Array,
    length: number,
    context: number,
    peer: number,
    tag: number,
  ) {
    super();
    this.owner = owner;
    this.bytes = bytes;
    this.length = length;
    this.context = context;
    this.peer = peer;
    this.tag = tag;
  }

  /** @internal */
  static of(owner: Owner, payload: Payload, context: number, peer: number, tag: number): Request {
    const request = new Request(owner, NO_BYTES, 0, context, peer, tag);
    request.carry(payload);
    return request;
  }

  /** @internal Its message's bytes from now on. */
  carry(payload: Payload): void {
    const dense = isBytes(payload);
    this.bytes = dense ? payload : NO_BYTES;
    this.noncontiguous = dense ? null : payload;
    this.length = dense ? lengthOf(payload) : payload.length;
  }

  /** @internal A request with PROC_NULL: complete from the start. */
  static ofNobody(owner: Owner, context: number): Request {
    return new Request(owner, NO_BYTES, 0, context, PROC_NULL, ANY_TAG).completeWith(0);
  }

  /** @internal It is complete when it starts. */
  completeWith(length: number): this {
    this.matchedLength = length;
    this.state = COMPLETE;
    return this;
  }

  /** @internal The buffer still has all its bytes: it may have grown, but is not detached or shrunk. */
  get intact(): boolean {
    const { noncontiguous } = this;
    return noncontiguous === null ? lengthOf(this.bytes) >= this.length : noncontiguous.intact;
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
  makeProgress(): void {
    this.owner.engine.progress();
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
    this.noteSite();
    return new Promise((resolve, reject) => {
      const before = this.settled;
      const release = this.hold(reject);
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
   * @param abandoned is called where nobody will ever end it
   * @returns ends that
   */
  hold(abandoned: (error: MpiError) => void): () => void {
    const { engine } = this.owner;
    const { loop } = engine;
    if (this.peer === engine.rank) {
      loop.wake();
      return nothing;
    }
    this.abandoned = abandoned;
    loop.hold(this);
    return () => loop.release(this);
  }

  /** @internal Notes where the program awaits it: for those who are told, should it never end. */
  noteSite(): void {
    if (this.owner.engine.standstill !== null) this.site = noteCallSite();
  }

  /** @internal Nobody will ever end it. A receive is taken back; what a send has begun goes on. */
  giveUp(error: MpiError): void {
    const { engine } = this.owner;
    if (!this.isSend && engine.receiving.cancel(this)) engine.completion.fail(this, error);
    else this.abandoned?.(error);
  }

  /** @internal For those who are told what this rank waits for. */
  describe(): WaitedOperation {
    const { owner, peer, tag, isSend } = this;
    const self = owner.engine.rank;
    const any = peer === ANY_SOURCE;
    return {
      operation: this.context !== owner.context ? 'a collective' : isSend ? 'send' : 'recv',
      peer: any ? ANY_SOURCE : owner.rankOf(peer),
      tag,
      communicator: owner.name,
      from: any ? others(owner.members, self) : [peer],
    };
  }
}

function nothing(): void {}

function others(members: Members, self: number): number[] {
  const worlds = Array.from({ length: members.size }, (_, rank) => members.worldOf(rank));
  return worlds.filter((world) => world !== self);
}

/** Whether all are. @throws MpiError ERR_REQUEST where they are no requests */
function areComplete(requests: readonly StartedRequest[]): boolean {
  if (!Array.isArray(requests)) throw noRequest(requests);
  let complete = true;
  for (let i = 0; i < requests.length; i++) {
    const request = requests[i];
    if (!(request instanceof StartedRequest)) throw noRequest(request);
    if (request.state !== COMPLETE) complete = false;
  }
  return complete;
}

function noRequest(value: unknown): MpiError {
  return new MpiError(
    'ERR_REQUEST',
    `${inWords(value)} cannot be waited for: it is no request of isend or irecv`,
  );
}
