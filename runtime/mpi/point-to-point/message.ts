/** A message that a matching probe has claimed (MPI 4.1, 3.8.2). */
import { inWords } from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import type { Envelope } from '../../messaging/matching/bins.ts';
import { PENDING } from '../../messaging/operation.ts';
import { checkStatus } from '../arguments.ts';
import { type Data, type Payload, roomOf, sizeOf } from '../datatype/data.ts';
import { bytesOf } from './buffer.ts';
import { DerivedRequest } from './derived-request.ts';
import type { Endpoint } from './endpoint.ts';
import { Request } from './request.ts';
import type { StartedRequest } from './started-request.ts';
import { Status } from './status.ts';

/** A typed array's constructor. */
export interface ArrayType<A extends ArrayBufferView> {
  new (length: number): A;
  /** The width of an element. */
  readonly BYTES_PER_ELEMENT: number;
}

/**
 * A message that was matched and not yet received (MPI_Message; MPI 4.1, 3.8.2): no other receive gets it. It is received once, by any
 * one of the calls here; one that fails for its arguments leaves the message as it is.
 */
export class Message {
  /** The sender's rank in the communicator. */
  readonly source: number;
  /** The message's tag. */
  readonly tag: number;
  /** Bytes of the message. */
  readonly byteLength: number;
  readonly #endpoint: Endpoint;
  #envelope: Envelope | null;

  /** @internal @param probe one that has claimed a message, or is of PROC_NULL */
  constructor(endpoint: Endpoint, probe: Request) {
    const { source, tag, byteLength } = probe.status;
    this.source = source;
    this.tag = tag;
    this.byteLength = byteLength;
    this.#endpoint = endpoint;
    this.#envelope = probe.message;
    probe.message = null;
  }

  /**
   * Starts to receive the message (MPI_Imrecv; MPI 4.1, 3.8.3).
   * @param into as of `irecv`; longer than the message it may be
   * @throws MpiError ERR_TRUNCATE where it is shorter; ERR_REQUEST where the message was received before;
   *   ERR_BUFFER, ERR_FINALIZED
   */
  irecv(into: Data): Request {
    const endpoint = this.#endpoint;
    endpoint.checkAlive();
    const room = roomOf(into, this.source);
    this.#check(sizeOf(room));
    return this.#start(room);
  }

  /**
   * Receives the message (MPI_Mrecv; MPI 4.1, 3.8.3).
   * @param status filled and returned, if given, instead of a new one
   * @throws MpiError as {@link irecv}; ERR_PEER_FAILED
   */
  recvSync(into: Data, status: Status = new Status()): Status {
    checkStatus(status);
    const request = this.irecv(into);
    request.wait();
    return request.fill(status);
  }

  /** {@link recvSync} as a promise. */
  async recv(into: Data): Promise<Status> {
    return this.irecv(into);
  }

  /**
   * Starts to receive the message into new memory of its length.
   * @param type a typed array's constructor, such as `Float64Array`
   * @returns a request that ends with the array
   * @throws MpiError ERR_ARG where it is no such constructor, or the message is no whole number of its
   *   elements; ERR_NO_MEM, ERR_REQUEST, ERR_FINALIZED
   */
  take<A extends ArrayBufferView>(type: ArrayType<A>): StartedRequest<A> {
    this.#endpoint.checkAlive();
    this.#check(Number.POSITIVE_INFINITY);
    const array = this.#newArray(type);
    return new DerivedRequest(this.#start(bytesOf(array)), () => array);
  }

  /** {@link take}, blocking the thread. */
  takeSync<A extends ArrayBufferView>(type: ArrayType<A>): A {
    return this.take(type).wait();
  }

  #newArray<A extends ArrayBufferView>(type: ArrayType<A>): A {
    const width = typeof type === 'function' ? type.BYTES_PER_ELEMENT : undefined;
    if (typeof width !== 'number' || !(width >= 1))
      throw new MpiError(
        'ERR_ARG',
        `${inWords(type)} is no typed array's constructor: pass one, such as Uint8Array`,
      );
    const count = this.byteLength / width;
    if (!Number.isInteger(count))
      throw new MpiError(
        'ERR_ARG',
        `a message of ${this.byteLength} bytes is no whole number of elements of ${width} bytes: take it as Uint8Array`,
      );
    try {
      return new type(count);
    } catch (cause) {
      throw new MpiError(
        'ERR_NO_MEM',
        `there is no memory for a message of ${this.byteLength} bytes: receive it into a buffer of the program's`,
        { cause },
      );
    }
  }

  #check(length: number): void {
    const { source, tag, byteLength } = this;
    if (this.#envelope === null && source !== PROC_NULL)
      throw new MpiError('ERR_REQUEST', 'this message was received before: keep what was received');
    if (byteLength <= length) return;
    throw new MpiError(
      'ERR_TRUNCATE',
      `the message of ${byteLength} bytes from rank ${source} with tag ${tag} is larger than the buffer of ${length} bytes: it can still be received, into a larger one`,
      { rank: this.#endpoint.rank, peer: source, tag },
    );
  }

  #start(room: Payload): Request {
    const endpoint = this.#endpoint;
    const { engine, context } = endpoint;
    const envelope = this.#envelope;
    if (envelope === null) return Request.ofNobody(endpoint, context);
    this.#envelope = null;
    const request = Request.of(endpoint, room, context, envelope.source, this.tag);
    engine.receiving.receiveClaimed(request, envelope);
    if (request.state === PENDING) engine.completion.track(request);
    return request;
  }
}
