/** Communicators (MPI 4.1, 7): a group of ranks and a context in which their messages match. */

import { lengthOf, NO_BYTES, plainLength } from '../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG, PROC_NULL } from '../base/constants.ts';
import { MpiError } from '../base/error.ts';
import type { Engine } from '../messaging/engine.ts';
import type { Context } from '../messaging/matching/context.ts';
import { COMPLETE, PENDING } from '../messaging/operation.ts';
import type { Peer } from '../messaging/peer.ts';
import {
  checkDestination,
  checkReceiveTag,
  checkSource,
  checkStatus,
  checkTag,
  isReceiveTag,
  isTag,
} from './arguments.ts';
import { barrier, barrierSync } from './collective/barrier.ts';
import { bytesOf, type MessageBuffer } from './point-to-point/buffer.ts';
import { awaitParts, waitForParts } from './point-to-point/parts.ts';
import {
  CompleteSend,
  type Owner,
  Request,
  type StartedRequest,
} from './point-to-point/request.ts';
import { Status } from './point-to-point/status.ts';

/** Contexts that a communicator has: one for the program's messages, one for collective operations. */
export const CONTEXTS_EACH = 2;

/**
 * Ranks that talk to each other. Operations come twice: those that end in `Sync` block the thread,
 * the others give a promise; `isend` and `irecv` give a {@link Request}.
 *
 * A buffer is any ArrayBufferView, ArrayBuffer or SharedArrayBuffer; a view's offset and length count.
 * It belongs to the operation until that has ended. It may be null where the other rank is PROC_NULL.
 */
export class Communicator implements Owner {
  /** This process's rank, 0..size-1. */
  readonly rank: number;
  /** How many ranks there are. */
  readonly size: number;
  /** @internal */
  readonly context: number;
  /** @internal */
  readonly engine: Engine;
  /** World ranks by rank; null: the same. */
  readonly #group: readonly number[] | null;
  readonly #alive: () => void;
  /** Requests of blocking operations, used again: such an operation costs no object. */
  readonly #pool: Request[] = [];
  readonly #messages: Context;

  /**
   * @internal
   * @param alive throws where MPI may not be used any more
   */
  constructor(
    engine: Engine,
    context: number,
    group: readonly number[] | null,
    rank: number,
    alive: () => void,
  ) {
    this.engine = engine;
    this.context = context;
    this.#group = group;
    this.rank = rank;
    this.size = group === null ? engine.size : group.length;
    this.#alive = alive;
    this.#messages = engine.receiving.openContext(context);
    engine.receiving.openContext(context + 1);
  }

  /** @internal */
  rankOf(world: number): number {
    return this.#group === null ? world : this.#group.indexOf(world);
  }

  /** Of a wildcard, too: alone, any source is this rank. */
  #worldOf(rank: number): number {
    if (rank === ANY_SOURCE && this.size === 1) return this.engine.rank;
    return this.#group === null || rank < 0 ? rank : this.#group[rank];
  }

  /** What is known of a rank; undefined before the first contact, and for what is no rank. */
  #peerOf(rank: number): Peer | undefined {
    // '1', [1] and 'length' name properties as well.
    if (typeof rank !== 'number') return undefined;
    const { peers } = this.engine;
    return this.#group === null ? peers[rank] : peers[this.#group[rank]];
  }

  /**
   * Sends a message and returns when the buffer may be used again (MPI 4.1, 3.2.1). A small message is
   * copied and on its way; a large one waits until it is received.
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED, ERR_DEADLOCK
   */
  sendSync(buffer: MessageBuffer | null, destination: number, tag = 0): void {
    // What is usual goes at once; everything else, errors too, is told apart on the slow path.
    const length = plainLength(buffer);
    if (length > 0 && isTag(tag)) {
      const peer = this.#peerOf(destination);
      if (peer !== undefined && length <= peer.pieceBytes)
        if (peer.trySendNow(this.context, tag, buffer as Uint8Array, length)) return;
    }
    this.#sendSlowly(buffer, destination, tag);
  }

  #sendSlowly(buffer: MessageBuffer | null, destination: number, tag: number): void {
    this.#alive();
    const bytes = bytesOf(buffer, destination);
    checkDestination(destination, this.size);
    checkTag(tag);
    if (destination === PROC_NULL) return;
    const world = this.#worldOf(destination);
    if (world === this.engine.rank) this.#prepareSelfSend(tag, lengthOf(bytes));
    const request = this.#borrow(bytes, world, tag);
    request.isSend = true;
    this.engine.send(request);
    this.engine.wait(request);
    this.#giveBack(request);
  }

  /** A blocked rank cannot post the receive that its own message may need. */
  #prepareSelfSend(tag: number, length: number): void {
    const { engine, context } = this;
    // What was sent to ourselves before goes to its receives, and makes room in the queue.
    engine.progress();
    if (engine.receiving.awaitsFromSelf(context, tag) || engine.takesNow(engine.rank, length))
      return;
    throw new MpiError(
      'ERR_DEADLOCK',
      `a blocking send of ${length} bytes to this rank itself would wait for ever: post the receive first (irecv), or use isend`,
      { rank: this.rank, peer: this.rank, tag },
    );
  }

  /**
   * Receives a message into a buffer (MPI 4.1, 3.2.4).
   * @param status filled and returned, if given, instead of a new one
   * @throws MpiError ERR_TRUNCATE where the message is larger than the buffer (it is dropped, the
   *   buffer untouched); ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  recvSync(
    buffer: MessageBuffer | null,
    source = ANY_SOURCE,
    tag = ANY_TAG,
    status: Status = new Status(),
  ): Status {
    // As in sendSync: the next packet of a quiet context is the one that matching would give.
    if (plainLength(buffer) > 0 && isReceiveTag(tag) && status instanceof Status) {
      const peer = this.#peerOf(source);
      if (peer !== undefined && this.#messages.quiet)
        if (this.engine.tryReceiveNow(peer, this.context, tag, buffer as Uint8Array, status)) {
          status.source = source | 0;
          return status;
        }
    }
    return this.#receiveSlowly(buffer, source, tag, status);
  }

  #receiveSlowly(
    buffer: MessageBuffer | null,
    source: number,
    tag: number,
    status: Status,
  ): Status {
    this.#alive();
    const bytes = bytesOf(buffer, source);
    checkSource(source, this.size);
    checkReceiveTag(tag);
    checkStatus(status);
    if (source === PROC_NULL) return status.setNull();
    const request = this.#borrow(bytes, this.#worldOf(source), tag);
    request.isSend = false;
    this.engine.receiving.receive(request);
    if (request.state === PENDING) this.#waitForReceive(request);
    this.#giveBack(request);
    return request.fill(status);
  }

  /** A receive that nobody can complete is taken back. */
  #waitForReceive(request: Request): void {
    try {
      this.engine.wait(request);
    } catch (error) {
      this.engine.receiving.cancel(request);
      throw error;
    }
  }

  #borrow(bytes: Uint8Array, peer: number, tag: number): Request {
    const request = this.#pool.pop() ?? new Request(this, bytes, this.context, peer, tag);
    request.bytes = bytes;
    request.length = lengthOf(bytes);
    request.peer = peer;
    request.tag = tag;
    request.state = PENDING;
    request.blocking = true;
    return request;
  }

  /** @throws MpiError that the operation failed with */
  #giveBack(request: Request): void {
    const { error } = request;
    request.bytes = NO_BYTES;
    request.error = null;
    this.#pool.push(request);
    if (error !== null) throw error;
  }

  /**
   * Starts a send (MPI 4.1, 3.7.2).
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  isend(buffer: MessageBuffer | null, destination: number, tag = 0): StartedRequest {
    const length = this.#sendAtOnce(buffer, destination, tag);
    if (length > 0) return new CompleteSend(this, destination, tag, length);
    return this.#isendSlowly(buffer, destination, tag);
  }

  /**
   * Sends what is usual and has room at once; everything else, errors too, is told apart elsewhere.
   * @returns the message's length; 0: it has not been sent
   */
  #sendAtOnce(buffer: MessageBuffer | null, destination: number, tag: number): number {
    const length = plainLength(buffer);
    if (length <= 0 || !isTag(tag)) return 0;
    const peer = this.#peerOf(destination);
    if (peer === undefined || length > peer.pieceBytes) return 0;
    return peer.trySendNow(this.context, tag, buffer as Uint8Array, length) ? length : 0;
  }

  #isendSlowly(buffer: MessageBuffer | null, destination: number, tag: number): Request {
    this.#alive();
    const bytes = bytesOf(buffer, destination);
    checkDestination(destination, this.size);
    checkTag(tag);
    return this.#startSend(bytes, destination, tag, this.context);
  }

  #startSend(bytes: Uint8Array, destination: number, tag: number, context: number): Request {
    if (destination === PROC_NULL) return this.#nothing();
    const request = new Request(this, bytes, context, this.#worldOf(destination), tag);
    request.isSend = true;
    this.engine.send(request);
    if (request.state === PENDING) this.engine.completion.track(request);
    return request;
  }

  /** A request with PROC_NULL: complete from the start. */
  #nothing(): Request {
    const request = new Request(this, NO_BYTES, this.context, PROC_NULL, ANY_TAG);
    request.state = COMPLETE;
    return request;
  }

  /**
   * Starts a receive (MPI 4.1, 3.7.2).
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  irecv(buffer: MessageBuffer | null, source = ANY_SOURCE, tag = ANY_TAG): Request {
    if (plainLength(buffer) > 0 && isReceiveTag(tag) && this.#peerOf(source) !== undefined)
      return this.#startReceive(buffer as Uint8Array, source, tag, this.context);
    this.#alive();
    const bytes = bytesOf(buffer, source);
    checkSource(source, this.size);
    checkReceiveTag(tag);
    return this.#startReceive(bytes, source, tag, this.context);
  }

  #startReceive(bytes: Uint8Array, source: number, tag: number, context: number): Request {
    if (source === PROC_NULL) return this.#nothing();
    const peer = this.#peerOf(source);
    if (peer !== undefined && context === this.context && this.#messages.quiet) {
      const length = this.engine.tryTake(peer, context, tag, bytes);
      if (length >= 0) return this.#received(peer, length);
    }
    const request = new Request(this, bytes, context, this.#worldOf(source), tag);
    this.engine.receiving.receive(request);
    if (request.state === PENDING) this.engine.completion.track(request);
    return request;
  }

  /** A receive that is complete when it starts. */
  #received(peer: Peer, length: number): Request {
    const request = new Request(this, NO_BYTES, this.context, peer.rank, peer.channel.takenTag);
    request.matchedLength = length;
    request.state = COMPLETE;
    return request;
  }

  /** {@link sendSync} as a promise, which never blocks the thread. Bad arguments reject it. */
  send(buffer: MessageBuffer | null, destination: number, tag = 0): Promise<void> {
    try {
      if (this.#sendAtOnce(buffer, destination, tag) > 0) return DONE;
      const request = this.#isendSlowly(buffer, destination, tag);
      return request.state === COMPLETE ? DONE : request.promise().then(nothing);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@link recvSync} as a promise, which never blocks the thread. Bad arguments reject it. */
  recv(buffer: MessageBuffer | null, source = ANY_SOURCE, tag = ANY_TAG): Promise<Status> {
    try {
      return this.irecv(buffer, source, tag).promise();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends and receives at once, without deadlock between ranks that do the same (MPI 4.1, 3.10). Where
   * one of the two fails, it fails once neither buffer is in use any more; a receive that no message has
   * met is taken back.
   * @returns what was received
   * @throws as {@link sendSync} and {@link recvSync}
   */
  sendrecvSync(
    sendBuffer: MessageBuffer | null,
    destination: number,
    sendTag: number,
    receiveBuffer: MessageBuffer | null,
    source = ANY_SOURCE,
    receiveTag = ANY_TAG,
  ): Status {
    const pair = this.#pair(sendBuffer, destination, sendTag, receiveBuffer, source, receiveTag);
    waitForParts(pair);
    return pair[0].status;
  }

  /** {@link sendrecvSync} as a promise. */
  async sendrecv(
    sendBuffer: MessageBuffer | null,
    destination: number,
    sendTag: number,
    receiveBuffer: MessageBuffer | null,
    source = ANY_SOURCE,
    receiveTag = ANY_TAG,
  ): Promise<Status> {
    const pair = this.#pair(sendBuffer, destination, sendTag, receiveBuffer, source, receiveTag);
    await awaitParts(pair);
    return pair[0].status;
  }

  #pair(
    sendBuffer: MessageBuffer | null,
    destination: number,
    sendTag: number,
    receiveBuffer: MessageBuffer | null,
    source: number,
    receiveTag: number,
  ): [Request, Request] {
    this.#alive();
    const outgoing = bytesOf(sendBuffer, destination);
    const incoming = bytesOf(receiveBuffer, source);
    checkDestination(destination, this.size);
    checkTag(sendTag);
    checkSource(source, this.size);
    checkReceiveTag(receiveTag);
    // Fails before the receive takes a message.
    if (destination !== PROC_NULL) this.engine.peer(this.#worldOf(destination));
    const receive = this.#startReceive(incoming, source, receiveTag, this.context);
    return [receive, this.#startPart(outgoing, destination, sendTag, this.context)];
  }

  /** @internal A zero-byte exchange in the context of collective operations. */
  signal(destination: number, source: number, tag: number): [Request, Request] {
    const receive = this.#startReceive(NO_BYTES, source, tag, this.context + 1);
    return [receive, this.#startPart(NO_BYTES, destination, tag, this.context + 1)];
  }

  /** A send that cannot start is one that has failed: it has parts beside it that have begun. */
  #startPart(bytes: Uint8Array, destination: number, tag: number, context: number): Request {
    try {
      return this.#startSend(bytes, destination, tag, context);
    } catch (error) {
      const request = new Request(this, bytes, context, destination, tag);
      request.isSend = true;
      this.engine.completion.fail(request, error as MpiError);
      return request;
    }
  }

  /** Returns when every rank of the communicator has called it (MPI 4.1, 6.3). */
  async barrier(): Promise<void> {
    this.#alive();
    await barrier(this);
  }

  /** {@link barrier}, blocking the thread. */
  barrierSync(): void {
    this.#alive();
    barrierSync(this);
  }
}

const DONE = Promise.resolve();

function nothing(): void {}
