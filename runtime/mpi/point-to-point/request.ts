/** Nonblocking operations (MPI 4.1, 3.7). */
import type { Noncontiguous } from '../../../transports/transport.ts';
import { isBytes, lengthOf, NO_BYTES } from '../../base/bytes.ts';
import { ANY_TAG, PROC_NULL } from '../../base/constants.ts';
import type { MpiError } from '../../base/error.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import type { Envelope, Link, Posted } from '../../messaging/matching/bins.ts';
import {
  COMPLETE,
  type Operation,
  PENDING,
  PROBE,
  RECEIVE,
  SEND,
} from '../../messaging/operation.ts';
import type { Payload } from '../datatype/data.ts';
import { operationOf } from './library-tags.ts';
import { type Owner, StartedRequest } from './started-request.ts';
import { Status } from './status.ts';
import { waitWithin } from './timeout.ts';

/**
 * A small message that had left, or was there, when its operation started: all that is left is the status.
 * There is one for each such call, so it has no field more, and none that is defined before it is set.
 */
export class CompleteRequest extends StartedRequest {
  /** @internal A rank of the communicator. */
  declare readonly peer: number;
  /** @internal */
  declare readonly tag: number;
  /** Bytes of the message; their complement once the program has heard of the end. */
  declare private bytes: number;

  /** @internal */
  constructor(peer: number, tag: number, length: number) {
    super();
    this.peer = peer;
    this.tag = tag;
    this.bytes = length;
  }

  get state(): number {
    return COMPLETE;
  }

  get error(): null {
    return null;
  }

  get length(): number {
    return this.bytes < 0 ? ~this.bytes : this.bytes;
  }

  /** Only of what is pending somebody asks. */
  get isSend(): boolean {
    return false;
  }

  get told(): boolean {
    return this.bytes < 0;
  }

  tell(): void {
    if (this.bytes >= 0) this.bytes = ~this.bytes;
  }

  override tellAtOnce(): boolean {
    const { bytes } = this;
    if (bytes < 0) return false;
    this.bytes = ~bytes;
    return true;
  }

  override untell(): void {
    this.bytes = ~this.bytes;
  }

  get owner(): never {
    throw new Error('what is complete waits for nobody');
  }

  get status(): Status {
    const status = new Status();
    status.source = this.peer;
    status.tag = this.tag;
    status.byteLength = this.length;
    return status;
  }

  get result(): Status {
    return this.status;
  }

  waitForEnd(): void {}

  whenEnded(listener: () => void): void {
    listener();
  }
}

/** {@link Request.kind}: a receive or probe that only a promise of ours knows. */
export const TRANSIENT = 32;

/**
 * A send or receive under way.
 *
 * It is its own link in the queue of posted receives: a receive costs one object.
 */
export class Request<R = Status> extends StartedRequest<R> implements Operation {
  /** @internal What follows belongs to matching and the protocol engine. */
  next: Link<Posted> | null = null;
  /** @internal */
  previous: Link<Posted> | null = null;
  /** @internal */
  bin: Link<Posted>['bin'] = null;
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
  /** @internal Bits of {@link Operation.kind}, and TRANSIENT: a field for each would make every request larger. */
  kind = RECEIVE;
  /** @internal The message that a probe has claimed. */
  message: Envelope | null = null;
  /** @internal */
  told = false;
  /** @internal The event loop makes progress for it. */
  tracked = false;
  /** @internal */
  error: MpiError | null = null;
  /** @internal */
  declare readonly owner: Owner;
  /** @internal Called when it has ended. */
  settled: (() => void) | null = null;
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

  /** @internal */
  get isSend(): boolean {
    return (this.kind & SEND) !== 0;
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
  tell(): void {
    this.told = true;
    if (this.error !== null) this.owner.engine.completion.unseen.delete(this.error);
  }

  /** @internal */
  get result(): R {
    return this.status as R;
  }

  protected override takeBack(): void {
    if ((this.kind & TRANSIENT) !== 0) this.cancel();
  }

  /** @internal It begins anew, with the same buffer. */
  restart(peer: number, tag: number): void {
    this.peer = peer;
    this.tag = tag;
    this.state = PENDING;
    this.error = null;
    this.told = false;
    this.tracked = false;
    this.#status = null;
  }

  /** @internal */
  waitForEnd(): void {
    waitWithin(this.owner, this);
  }

  /** @internal */
  whenEnded(listener: () => void): void {
    if (this.state !== PENDING) {
      listener();
      return;
    }
    const before = this.settled;
    this.settled =
      before === null
        ? listener
        : () => {
            before();
            listener();
          };
  }

  override cancel(): boolean {
    const { engine } = this.owner;
    if (this.isSend || this.state !== PENDING || !engine.receiving.cancel(this)) return false;
    this.#status = Status.ofCancelled();
    engine.completion.complete(this, this.peer, this.tag, 0);
    return true;
  }

  /** @internal A receive is taken back; what a send has begun goes on. */
  override giveUp(error: MpiError, abandoned: (error: MpiError) => void): void {
    const { engine } = this.owner;
    if (!this.isSend && engine.receiving.cancel(this)) engine.completion.fail(this, error);
    else abandoned(error);
  }

  /** @internal */
  override describe(): WaitedOperation {
    const told = super.describe();
    if (this.context !== this.owner.context) return { ...told, operation: operationOf(this.tag) };
    return (this.kind & PROBE) === 0 ? told : { ...told, operation: 'probe' };
  }
}
