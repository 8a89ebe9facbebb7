/** Communicators (MPI 4.1, 7): a group of ranks and a context in which their messages match. */
import { checkDestination, checkReceiveTag, checkSource, checkTag } from './arguments.ts';
import { barrier, barrierSync } from './barrier.ts';
import { bytesOf, type MessageBuffer, NO_BYTES } from './buffer.ts';
import { ANY_SOURCE, ANY_TAG, PROC_NULL } from './constants.ts';
import { MpiError } from './error.ts';
import type { Engine } from './protocol/engine.ts';
import { COMPLETE, PENDING, type RankTranslation, Request } from './request.ts';
import { Status } from './status.ts';

/** Contexts that a communicator has: one for the program's messages, one for collective operations. */
export const CONTEXTS_EACH = 2;

/**
 * Ranks that talk to each other. Operations come twice: those that end in `Sync` block the thread,
 * the others give a promise; `isend` and `irecv` give a {@link Request}.
 *
 * A buffer is any ArrayBufferView, ArrayBuffer or SharedArrayBuffer; a view's offset and length count.
 * It belongs to the operation until that has ended.
 */
export class Communicator implements RankTranslation {
  /** This process's rank, 0..size-1. */
  readonly rank: number;
  /** How many ranks there are. */
  readonly size: number;
  /** @internal */
  readonly context: number;
  readonly #engine: Engine;
  /** World ranks by rank; null: the same. */
  readonly #group: readonly number[] | null;
  readonly #alive: () => void;
  /** Requests of blocking operations, used again: such an operation costs no object. */
  readonly #pool: Request[] = [];
  /** What a pooled request fills where nobody asked for a status. */
  readonly #unread = new Status();

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
    this.#engine = engine;
    this.context = context;
    this.#group = group;
    this.rank = rank;
    this.size = group === null ? engine.size : group.length;
    this.#alive = alive;
    engine.openContext(context);
    engine.openContext(context + 1);
  }

  /** @internal */
  rankOf(world: number): number {
    return this.#group === null ? world : this.#group.indexOf(world);
  }

  #worldOf(rank: number): number {
    return this.#group === null || rank < 0 ? rank : this.#group[rank];
  }

  /**
   * Sends a message and returns when the buffer may be used again (MPI 4.1, 3.2.1). A small message is
   * copied and on its way; a large one waits until it is received.
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED, ERR_DEADLOCK
   */
  sendSync(buffer: MessageBuffer, destination: number, tag = 0): void {
    this.#alive();
    const bytes = bytesOf(buffer);
    checkDestination(destination, this.size);
    checkTag(tag);
    if (destination === PROC_NULL) return;
    this.sendBytes(bytes, destination, tag, this.context);
  }

  /** @internal */
  sendBytes(bytes: Uint8Array, destination: number, tag: number, context: number): void {
    const world = this.#worldOf(destination);
    if (this.#engine.trySendNow(world, context, tag, bytes, bytes.length)) return;
    if (world === this.#engine.rank) {
      // What was sent to ourselves before goes to its receives, or makes room in the queue.
      this.#engine.progress();
      if (this.#engine.trySendNow(world, context, tag, bytes, bytes.length)) return;
      this.#refuseDeadlock(tag, context, bytes.length);
    }
    const request = this.#borrow(bytes, context, tag);
    request.isSend = true;
    request.destination = world;
    this.#engine.send(request);
    this.#engine.wait(request);
    this.#giveBack(request);
  }

  /** A blocked rank cannot post the receive that its own message would need. */
  #refuseDeadlock(tag: number, context: number, length: number): void {
    if (this.#engine.awaitsFromSelf(context, tag)) return;
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
    buffer: MessageBuffer,
    source = ANY_SOURCE,
    tag = ANY_TAG,
    status: Status = new Status(),
  ): Status {
    this.#alive();
    const bytes = bytesOf(buffer);
    checkSource(source, this.size);
    checkReceiveTag(tag);
    if (source === PROC_NULL) return status.setNull();
    this.receiveBytes(bytes, source, tag, this.context, status);
    return status;
  }

  /** @internal */
  receiveBytes(
    bytes: Uint8Array,
    source: number,
    tag: number,
    context: number,
    status: Status,
  ): void {
    const world = this.#worldOf(source);
    if (this.#engine.tryReceiveNow(world, context, tag, bytes, status)) {
      status.source = source;
      return;
    }
    const request = this.#borrow(bytes, context, tag);
    request.isSend = false;
    request.source = world;
    request.status = status;
    this.#engine.receive(request);
    if (request.state === PENDING) this.#engine.wait(request);
    this.#giveBack(request);
  }

  #borrow(bytes: Uint8Array, context: number, tag: number): Request {
    const request = this.#pool.pop() ?? new Request(this.#engine, bytes, this);
    request.bytes = bytes;
    request.length = bytes.length;
    request.context = context;
    request.tag = tag;
    request.state = PENDING;
    return request;
  }

  /** @throws MpiError that the operation failed with */
  #giveBack(request: Request): void {
    const { error } = request;
    request.bytes = NO_BYTES;
    request.error = null;
    // The program's Status is its own again: the next operation must not write to it.
    request.status = this.#unread;
    this.#pool.push(request);
    if (error !== null) throw error;
  }

  /**
   * Starts a send (MPI 4.1, 3.7.2).
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  isend(buffer: MessageBuffer, destination: number, tag = 0): Request {
    this.#alive();
    const bytes = bytesOf(buffer);
    checkDestination(destination, this.size);
    checkTag(tag);
    return this.#startSend(bytes, destination, tag, this.context);
  }

  #startSend(bytes: Uint8Array, destination: number, tag: number, context: number): Request {
    const request = new Request(this.#engine, bytes, this);
    request.isSend = true;
    request.context = context;
    request.tag = tag;
    if (destination === PROC_NULL) {
      request.status.setNull();
      request.state = COMPLETE;
      return request;
    }
    request.destination = this.#worldOf(destination);
    if (this.#engine.trySendNow(request.destination, context, tag, bytes, bytes.length)) {
      request.state = COMPLETE;
      return request;
    }
    this.#engine.send(request);
    if (request.state === PENDING) this.#engine.track(request);
    return request;
  }

  /**
   * Starts a receive (MPI 4.1, 3.7.2).
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  irecv(buffer: MessageBuffer, source = ANY_SOURCE, tag = ANY_TAG): Request {
    this.#alive();
    const bytes = bytesOf(buffer);
    checkSource(source, this.size);
    checkReceiveTag(tag);
    return this.#startReceive(bytes, source, tag, this.context);
  }

  #startReceive(bytes: Uint8Array, source: number, tag: number, context: number): Request {
    const request = new Request(this.#engine, bytes, this);
    request.context = context;
    request.tag = tag;
    if (source === PROC_NULL) {
      request.status.setNull();
      request.state = COMPLETE;
      return request;
    }
    request.source = this.#worldOf(source);
    this.#engine.receive(request);
    if (request.state === PENDING) this.#engine.track(request);
    return request;
  }

  /** {@link sendSync} as a promise, which never blocks the thread. Bad arguments reject it. */
  send(buffer: MessageBuffer, destination: number, tag = 0): Promise<void> {
    try {
      const request = this.isend(buffer, destination, tag);
      return request.state === COMPLETE ? DONE : request.promise().then(nothing);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** {@link recvSync} as a promise, which never blocks the thread. Bad arguments reject it. */
  recv(buffer: MessageBuffer, source = ANY_SOURCE, tag = ANY_TAG): Promise<Status> {
    try {
      return this.irecv(buffer, source, tag).promise();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends and receives at once, without deadlock between ranks that do the same (MPI 4.1, 3.10).
   * @returns what was received
   * @throws as {@link sendSync} and {@link recvSync}
   */
  sendrecvSync(
    sendBuffer: MessageBuffer,
    destination: number,
    sendTag: number,
    receiveBuffer: MessageBuffer,
    source = ANY_SOURCE,
    receiveTag = ANY_TAG,
  ): Status {
    const receive = this.#pair(sendBuffer, destination, sendTag, receiveBuffer, source, receiveTag);
    return Request.waitAll(receive)[0];
  }

  /** {@link sendrecvSync} as a promise. */
  async sendrecv(
    sendBuffer: MessageBuffer,
    destination: number,
    sendTag: number,
    receiveBuffer: MessageBuffer,
    source = ANY_SOURCE,
    receiveTag = ANY_TAG,
  ): Promise<Status> {
    const pair = this.#pair(sendBuffer, destination, sendTag, receiveBuffer, source, receiveTag);
    const [status] = await Promise.all(pair.map((request) => request.promise()));
    return status;
  }

  /** All arguments are checked before the receive is posted: it could not be taken back. */
  #pair(
    sendBuffer: MessageBuffer,
    destination: number,
    sendTag: number,
    receiveBuffer: MessageBuffer,
    source: number,
    receiveTag: number,
  ): [Request, Request] {
    this.#alive();
    const outgoing = bytesOf(sendBuffer);
    const incoming = bytesOf(receiveBuffer);
    checkDestination(destination, this.size);
    checkTag(sendTag);
    checkSource(source, this.size);
    checkReceiveTag(receiveTag);
    const receive = this.#startReceive(incoming, source, receiveTag, this.context);
    return [receive, this.#startSend(outgoing, destination, sendTag, this.context)];
  }

  /** @internal A zero-byte exchange in the context of collective operations. */
  signal(destination: number, source: number, tag: number): [Request, Request] {
    const receive = this.#startReceive(NO_BYTES, source, tag, this.context + 1);
    return [receive, this.#startSend(NO_BYTES, destination, tag, this.context + 1)];
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
