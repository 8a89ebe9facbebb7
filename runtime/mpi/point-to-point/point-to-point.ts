/** Point-to-point communication (MPI 4.1, 3): the calls of every communicator. */
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import type { ContextPair, Members } from '../../messaging/contexts/pair.ts';
import type { Engine } from '../../messaging/engine.ts';
import type { Data } from '../datatype/data.ts';
import type { Session } from '../session.ts';
import { Endpoint } from './endpoint.ts';
import { awaitParts, waitForParts } from './parts.ts';
import { irecv, recv, recvSync } from './receive.ts';
import { CompleteSend, type Request } from './request.ts';
import { isendSlowly, send, sendAtOnce, sendSlowly, ssend } from './send.ts';
import { startPair } from './sendrecv.ts';
import type { StartedRequest } from './started-request.ts';
import { Status } from './status.ts';

/**
 * Ranks that send messages to each other. Operations come twice: those that end in `Sync` block the
 * thread, the others give a promise; `isend` and `irecv` give a {@link Request}.
 *
 * A buffer is any ArrayBufferView, ArrayBuffer or SharedArrayBuffer; a view's offset and length count.
 * It belongs to the operation until that has ended. It may be null where the other rank is PROC_NULL.
 */
export abstract class PointToPoint {
  /** This process's rank in its group, 0..size-1. */
  readonly rank: number;
  /** @internal Its contexts, and the ranks that calls name. */
  readonly endpoint: Endpoint;

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
   * Sends a message and returns when the buffer may be used again (MPI 4.1, 3.2.1). A small message is
   * copied and on its way; a large one waits until it is received.
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED, ERR_DEADLOCK
   */
  sendSync(buffer: Data | null, destination: number, tag = 0): void {
    const { endpoint } = this;
    if (sendAtOnce(endpoint, buffer, destination, tag) === 0)
      sendSlowly(endpoint, buffer, destination, tag, false);
  }

  /** {@link sendSync} as a promise, which never blocks the thread. Bad arguments reject it. */
  send(buffer: Data | null, destination: number, tag = 0): Promise<void> {
    return send(this.endpoint, buffer, destination, tag);
  }

  /**
   * Starts a send (MPI 4.1, 3.7.2).
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  isend(buffer: Data | null, destination: number, tag = 0): StartedRequest {
    const { endpoint } = this;
    const length = sendAtOnce(endpoint, buffer, destination, tag);
    if (length > 0) return new CompleteSend(destination, tag, length);
    return isendSlowly(endpoint, buffer, destination, tag, false);
  }

  /**
   * Sends a message and returns when a receive has matched it and the buffer may be used again: a
   * synchronous send (MPI 4.1, 3.4). It says that the receiver has come this far, at the cost of an answer
   * from the receiver.
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
   * Starts a synchronous send (MPI 4.1, 3.4 and 3.7.2): the request is complete when a receive has matched
   * the message and the buffer may be used again.
   * @throws MpiError as {@link isend}
   */
  issend(buffer: Data | null, destination: number, tag = 0): Request {
    return isendSlowly(this.endpoint, buffer, destination, tag, true);
  }

  /**
   * Receives a message into a buffer (MPI 4.1, 3.2.4).
   * @param status filled and returned, if given, instead of a new one
   * @throws MpiError ERR_TRUNCATE where the message is larger than the buffer (it is dropped, the
   *   buffer untouched); ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  recvSync(
    buffer: Data | null,
    source = ANY_SOURCE,
    tag = ANY_TAG,
    status: Status = new Status(),
  ): Status {
    return recvSync(this.endpoint, buffer, source, tag, status);
  }

  /** {@link recvSync} as a promise, which never blocks the thread. Bad arguments reject it. */
  recv(buffer: Data | null, source = ANY_SOURCE, tag = ANY_TAG): Promise<Status> {
    return recv(this.endpoint, buffer, source, tag);
  }

  /**
   * Starts a receive (MPI 4.1, 3.7.2).
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  irecv(buffer: Data | null, source = ANY_SOURCE, tag = ANY_TAG): Request {
    return irecv(this.endpoint, buffer, source, tag);
  }

  /**
   * Sends and receives at once, without deadlock between ranks that do the same (MPI 4.1, 3.10). Where
   * one of the two fails, it fails once neither buffer is in use any more; a receive that no message has
   * met is taken back.
   * @returns what was received
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
}
