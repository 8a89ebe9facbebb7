/** Point-to-point communication (MPI 4.1, 3): the calls of every communicator. */
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import type { ContextPair, Members } from '../../messaging/contexts/pair.ts';
import type { Engine } from '../../messaging/engine.ts';
import { TIMEOUT_MS_MAX } from '../../messaging/waiting.ts';
import type { Data } from '../datatype/data.ts';
import type { Session } from '../session.ts';
import { bsend, flushBuffer } from './buffered.ts';
import { Endpoint } from './endpoint.ts';
import type { Message } from './message.ts';
import { Messages, type Selection } from './messages.ts';
import type { Codec } from './objects/codec.ts';
import { msgpackCodec } from './objects/msgpack.ts';
import { Objects } from './objects/objects.ts';
import { awaitParts, waitForParts } from './parts.ts';
import { PersistentOperations } from './persistent-operations.ts';
import { improbe, iprobe, mprobe, mprobeSync, probe, probeSync } from './probe.ts';
import { irecv, recv, recvSync } from './receive.ts';
import { CompleteRequest, type Request } from './request.ts';
import { isendSlowly, send, sendAtOnce, sendSlowly, ssend } from './send.ts';
import { startPair, startReplacing } from './sendrecv.ts';
import type { ReceiveOptions } from './signal.ts';
import type { StartedRequest } from './started-request.ts';
import { Status } from './status.ts';
import { checkTimeout } from './timeout.ts';

/**
 * Ranks that send messages to each other. Operations come twice: those that end in `Sync` block the
 * thread, the others give a promise; `isend` and `irecv` give a {@link Request}.
 *
 * A buffer is any ArrayBufferView, ArrayBuffer or SharedArrayBuffer; a view's offset and length count.
 * It belongs to the operation until that has ended. It may be null where the other rank is PROC_NULL.
 */
export abstract class PointToPoint {
  /** This process's rank in its group, 0..size-1 (MPI_Comm_rank; MPI 4.1, 7.4.1). */
  readonly rank: number;
  /** @internal Its contexts, and the ranks that calls name. */
  readonly endpoint: Endpoint;
  #persistent: PersistentOperations | null = null;

  /**
   * @internal
   * @param pair its contexts; null for the world
   * @param members those whom a call can name
   */
  constructor(
    engine: Engine,
    pair: ContextPair | null,
    members: Members,
    rank: number,
    session: Session,
  ) {
    this.rank = rank;
    this.endpoint = new Endpoint(engine, pair, members, rank, session);
  }

  /**
   * The longest that a wait on this communicator takes, in milliseconds (a fraction counts as a whole one);
   * Infinity unless set, and where it is set to 2³¹ − 1 or more. Then the wait ends with ERR_TIMEOUT, which
   * says who is waited for and in what. A receive or a probe that waits is taken back; a send, and what a
   * {@link Request} stands for, is still under way.
   * Communicators that are made from this one begin with the same.
   * @throws MpiError ERR_ARG where it is set to what is no number from 0 on
   */
  get timeout(): number {
    const { timeout } = this.endpoint;
    return timeout === TIMEOUT_MS_MAX ? Number.POSITIVE_INFINITY : timeout;
  }

  /** @internal The getter tells of it. */
  set timeout(milliseconds: number) {
    checkTimeout(milliseconds);
    this.endpoint.timeout = Math.min(Math.ceil(milliseconds), TIMEOUT_MS_MAX);
  }

  /** Makes operations that are started again and again: checked once, and fast (MPI 4.1, 3.9). */
  get persistent(): PersistentOperations {
    this.#persistent ??= new PersistentOperations(this.endpoint);
    return this.#persistent;
  }

  /**
   * Sends a message, and returns when the buffer may be used again (MPI_Send; MPI 4.1, 3.2.1). A small
   * message is copied and on its way. A large one waits until it is received.
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED; ERR_DEADLOCK where the
   *   message goes to this rank itself and nothing receives it
   */
  sendSync(buffer: Data | null, destination: number, tag = 0): void {
    const { endpoint } = this;
    if (sendAtOnce(endpoint, buffer, destination, tag) === 0)
      sendSlowly(endpoint, buffer, destination, tag, false);
  }

  /** {@link sendSync} as a promise, which never blocks the thread. Bad arguments reject the promise. */
  send(buffer: Data | null, destination: number, tag = 0): Promise<void> {
    return send(this.endpoint, buffer, destination, tag);
  }

  /**
   * Starts a send (MPI_Isend; MPI 4.1, 3.7.2).
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  isend(buffer: Data | null, destination: number, tag = 0): StartedRequest {
    const { endpoint } = this;
    const length = sendAtOnce(endpoint, buffer, destination, tag);
    if (length > 0) return new CompleteRequest(destination, tag, length);
    return isendSlowly(endpoint, buffer, destination, tag, false);
  }

  /**
   * Sends a message and returns when a receive has matched it and the buffer may be used again: a
   * synchronous send (MPI_Ssend; MPI 4.1, 3.4). It says that the receiver has come this far, at the cost of
   * an answer from the receiver.
   * @param buffer as of {@link sendSync}
   * @throws MpiError as {@link sendSync}; ERR_DEADLOCK where the message goes to this rank itself and no
   *   receive that fits is posted
   */
  ssendSync(buffer: Data | null, destination: number, tag = 0): void {
    sendSlowly(this.endpoint, buffer, destination, tag, true);
  }

  /** {@link ssendSync} as a promise, which never blocks the thread. Bad arguments reject it. */
  ssend(buffer: Data | null, destination: number, tag = 0): Promise<void> {
    return ssend(this.endpoint, buffer, destination, tag);
  }

  /**
   * Starts a synchronous send (MPI_Issend; MPI 4.1, 3.7.2): the request is complete when a receive has
   * matched the message and the buffer may be used again.
   * @throws MpiError as {@link isend}
   */
  issend(buffer: Data | null, destination: number, tag = 0): Request {
    return isendSlowly(this.endpoint, buffer, destination, tag, true);
  }

  /**
   * Sends a message and returns at once: where it cannot leave yet, it is copied (MPI_Bsend; MPI 4.1, 3.4).
   * There is room for copies without asking, up to the limit `BSEND_BYTES_MAX` of the rank, which
   * `DREG_BSEND_BYTES` changes. The call is local, so there is no promise of it.
   * @param buffer as of {@link sendSync}; the program may use it again when the call returns
   * @throws MpiError ERR_NO_MEM where there is no room for a copy; as {@link isend}
   */
  bsend(buffer: Data | null, destination: number, tag = 0): void {
    bsend(this.endpoint, buffer, destination, tag);
  }

  /**
   * Ends when everything has left that {@link bsend} copied before, on this communicator
   * (MPI_Comm_flush_buffer; MPI 4.1, 3.6).
   * @throws MpiError that one of these messages failed with
   */
  flushBuffer(): StartedRequest<void> {
    return flushBuffer(this.endpoint);
  }

  /** {@link flushBuffer}, blocking the thread. */
  flushBufferSync(): void {
    flushBuffer(this.endpoint).wait();
  }

  /**
   * Receives a message into a buffer (MPI_Recv; MPI 4.1, 3.2.4).
   * @param buffer may be longer than the message; the rest of it stays as it is
   * @param source a rank, or {@link ANY_SOURCE}
   * @param tag a tag, or {@link ANY_TAG}
   * @param status filled and returned, if given, instead of a new one
   * @throws MpiError ERR_TRUNCATE where the message is larger than the buffer (the message is dropped, the
   *   buffer untouched); ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_ARG, ERR_FINALIZED, ERR_PEER_FAILED;
   *   ERR_DEADLOCK where only this rank itself could send the message
   */
  recvSync(
    buffer: Data | null,
    source = ANY_SOURCE,
    tag = ANY_TAG,
    status: Status = new Status(),
  ): Status {
    return recvSync(this.endpoint, buffer, source, tag, status);
  }

  /**
   * {@link recvSync} as a promise, which never blocks the thread. Bad arguments reject it.
   * @param options `signal` takes the receive back, unless it has met its message: no message is lost
   */
  recv(
    buffer: Data | null,
    source = ANY_SOURCE,
    tag = ANY_TAG,
    options?: ReceiveOptions,
  ): Promise<Status> {
    return recv(this.endpoint, buffer, source, tag, options);
  }

  /**
   * Starts a receive (MPI_Irecv; MPI 4.1, 3.7.2).
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED; the request fails with
   *   ERR_TRUNCATE where the message is larger than the buffer
   */
  irecv(buffer: Data | null, source = ANY_SOURCE, tag = ANY_TAG): StartedRequest {
    return irecv(this.endpoint, buffer, source, tag);
  }

  /**
   * Sends and receives at once (MPI_Sendrecv; MPI 4.1, 3.10), without deadlock between ranks that do the
   * same. If one of the two fails, the call fails once neither buffer is in use any more. A receive that no
   * message has met is then taken back.
   * @returns the status of the received message
   * @throws as {@link sendSync} and {@link recvSync}
   */
  sendrecvSync(
    sendBuffer: Data | null,
    destination: number,
    sendTag: number,
    receiveBuffer: Data | null,
    source = ANY_SOURCE,
    receiveTag = ANY_TAG,
  ): Status {
    const { endpoint } = this;
    const pair = startPair(
      endpoint,
      sendBuffer,
      destination,
      sendTag,
      receiveBuffer,
      source,
      receiveTag,
    );
    waitForParts(pair);
    return pair[0].status;
  }

  /** {@link sendrecvSync} as a promise. */
  async sendrecv(
    sendBuffer: Data | null,
    destination: number,
    sendTag: number,
    receiveBuffer: Data | null,
    source = ANY_SOURCE,
    receiveTag = ANY_TAG,
  ): Promise<Status> {
    const { endpoint } = this;
    const pair = startPair(
      endpoint,
      sendBuffer,
      destination,
      sendTag,
      receiveBuffer,
      source,
      receiveTag,
    );
    await awaitParts(pair);
    return pair[0].status;
  }

  /**
   * {@link sendrecvSync} with one buffer: what is received takes the place of what was sent
   * (MPI_Sendrecv_replace; MPI 4.1, 3.10). The buffer stays as it was where nothing is received.
   * @returns what was received
   * @throws MpiError as {@link sendrecvSync}; ERR_NO_MEM where there is no memory for a copy
   */
  sendrecvReplaceSync(
    buffer: Data | null,
    destination: number,
    sendTag = 0,
    source = ANY_SOURCE,
    receiveTag = ANY_TAG,
  ): Status {
    const { endpoint } = this;
    const pair = startReplacing(endpoint, buffer, destination, sendTag, source, receiveTag);
    waitForParts(pair);
    return pair[0].status;
  }

  /** {@link sendrecvReplaceSync} as a promise. */
  async sendrecvReplace(
    buffer: Data | null,
    destination: number,
    sendTag = 0,
    source = ANY_SOURCE,
    receiveTag = ANY_TAG,
  ): Promise<Status> {
    const { endpoint } = this;
    const pair = startReplacing(endpoint, buffer, destination, sendTag, source, receiveTag);
    await awaitParts(pair);
    return pair[0].status;
  }

  /**
   * Blocks until a message is there that a receive with the same arguments would get, and leaves it there
   * (MPI_Probe; MPI 4.1, 3.8.1).
   * @param status filled and returned, if given, instead of a new one
   * @returns where the message is from, its tag and its length in bytes
   * @throws MpiError ERR_RANK, ERR_TAG, ERR_ARG, ERR_FINALIZED, ERR_PEER_FAILED, ERR_DEADLOCK, ERR_TIMEOUT
   */
  probeSync(source = ANY_SOURCE, tag = ANY_TAG, status: Status = new Status()): Status {
    return probeSync(this.endpoint, source, tag, status);
  }

  /**
   * {@link probeSync} as a promise, which never blocks the thread. Bad arguments reject it. With several
   * consumers use {@link mprobe}: another one may receive the message meanwhile.
   * @param options `signal` takes the probe back
   */
  probe(source = ANY_SOURCE, tag = ANY_TAG, options?: ReceiveOptions): Promise<Status> {
    return probe(this.endpoint, source, tag, options);
  }

  /**
   * Looks whether a message is there that a receive with the same arguments would get (MPI_Iprobe;
   * MPI 4.1, 3.8.1).
   * @param status filled and returned, if given, instead of a new one
   * @returns null where there is none now
   * @throws MpiError ERR_RANK, ERR_TAG, ERR_ARG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  iprobe(source = ANY_SOURCE, tag = ANY_TAG, status: Status = new Status()): Status | null {
    return iprobe(this.endpoint, source, tag, status);
  }

  /**
   * Blocks until there is a message, and claims it: no other receive or probe gets it (MPI_Mprobe;
   * MPI 4.1, 3.8.2).
   * @returns the message, to be received by its own calls
   * @throws MpiError as {@link probeSync}
   */
  mprobeSync(source = ANY_SOURCE, tag = ANY_TAG): Message {
    return mprobeSync(this.endpoint, source, tag);
  }

  /**
   * {@link mprobeSync} as a promise, which never blocks the thread. Bad arguments reject it.
   * @param options `signal` takes the probe back, unless it has met its message: no message is lost
   */
  mprobe(source = ANY_SOURCE, tag = ANY_TAG, options?: ReceiveOptions): Promise<Message> {
    return mprobe(this.endpoint, source, tag, options);
  }

  /**
   * Claims a message, if one is there (MPI_Improbe; MPI 4.1, 3.8.2).
   * @returns null where there is none now
   * @throws MpiError as {@link iprobe}
   */
  improbe(source = ANY_SOURCE, tag = ANY_TAG): Message | null {
    return improbe(this.endpoint, source, tag);
  }

  /**
   * Messages as they come, each claimed when it is asked for:
   * `for await (const message of comm.messages({ tag: 7, signal }))`. What is not asked for stays where it
   * is, and holds its sender back in the end. Several loops share the messages: each message goes to one
   * of them. To leave the loop loses no message.
   * @param selection `source` and `tag`, each any unless given; `signal` ends the loop with its reason
   * @throws MpiError ERR_ARG, ERR_RANK, ERR_TAG, ERR_FINALIZED; the loop: ERR_PEER_FAILED
   */
  messages(selection: Selection = {}): AsyncIterableIterator<Message> {
    return new Messages(this.endpoint, selection);
  }

  /**
   * Sends and receives values instead of buffers.
   * @param codec how values become bytes; {@link msgpackCodec} if left out, the same at both ends
   * @throws MpiError ERR_ARG where it is no codec
   */
  objects<T = unknown>(codec: Codec<T> = msgpackCodec as Codec<T>): Objects<T, this> {
    return new Objects<T, this>(this, this.endpoint, codec);
  }
}
