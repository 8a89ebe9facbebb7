/** Point-to-point communication (MPI 4.1, 3): the calls of every communicator. */
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import type { ContextPair, Members } from '../../messaging/contexts/pair.ts';
import type { Engine } from '../../messaging/engine.ts';
import type { Data } from '../datatype/data.ts';
import { Endpoint } from './endpoint.ts';
import type { Codec } from './objects/codec.ts';
import { msgpackCodec } from './objects/msgpack.ts';
import { Objects } from './objects/objects.ts';
import { awaitParts, waitForParts } from './parts.ts';
import { irecv, recv, recvSync } from './receive.ts';
import { CompleteSend, type Request, type StartedRequest } from './request.ts';
import { isendSlowly, send, sendAtOnce, sendSlowly } from './send.ts';
import { startPair } from './sendrecv.ts';
import { Status } from './status.ts';

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

  /**
   * @internal
   * @param pair its contexts; null for the world
   * @param members those whom a call can name
   * @param alive throws where it may not be used any more
   */
  constructor(
    engine: Engine,
    pair: ContextPair | null,
    members: Members,
    rank: number,
    alive: () => void,
  ) {
    this.rank = rank;
    this.endpoint = new Endpoint(engine, pair, members, rank, alive);
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
      sendSlowly(endpoint, buffer, destination, tag);
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
    if (length > 0) return new CompleteSend(destination, tag, length);
    return isendSlowly(endpoint, buffer, destination, tag);
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

  /** {@link recvSync} as a promise, which never blocks the thread. Bad arguments reject it. */
  recv(buffer: Data | null, source = ANY_SOURCE, tag = ANY_TAG): Promise<Status> {
    return recv(this.endpoint, buffer, source, tag);
  }

  /**
   * Starts a receive (MPI_Irecv; MPI 4.1, 3.7.2).
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED; the request fails with
   *   ERR_TRUNCATE where the message is larger than the buffer
   */
  irecv(buffer: Data | null, source = ANY_SOURCE, tag = ANY_TAG): Request {
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
   * Sends and receives values instead of buffers.
   * @param codec how values become bytes; {@link msgpackCodec} if left out, the same at both ends
   * @throws MpiError ERR_ARG where it is no codec
   */
  objects<T = unknown>(codec: Codec<T> = msgpackCodec as Codec<T>): Objects<T> {
    return new Objects(this.endpoint, codec);
  }
}
