/** Values instead of buffers. */
import { NO_BYTES } from '../../../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG, PROC_NULL } from '../../../base/constants.ts';
import { MpiError } from '../../../base/error.ts';
import { PENDING } from '../../../messaging/operation.ts';
import type { Endpoint } from '../endpoint.ts';
import { checkSelection, type Selection } from '../messages.ts';
import { awaitParts, waitForParts } from '../parts.ts';
import { checkReceive, irecvSlowly, recvSync } from '../receive.ts';
import { type Request, TRANSIENT } from '../request.ts';
import { type Abortable, type ReceiveOptions, signalOf, untilAborted } from '../signal.ts';
import { Status } from '../status.ts';
import { type Codec, checkCodec } from './codec.ts';
import type { First } from './envelope.ts';
import { noObject } from './envelope.ts';
import { checkObject, encode, FirstPool, startObject, takeObject } from './transfer.ts';

/** An object that came, and from whom (MPI 4.1, 3.2.5). */
export interface Received<T> {
  /** What was sent, as the codec made it anew. */
  readonly value: T;
  /** The sender's rank in the communicator. */
  readonly source: number;
  /** The tag that it was sent with. */
  readonly tag: number;
}

/**
 * Values of one type, sent and received whole (MPI 4.1, 3.2, with what MPI has no datatype for): nobody says how
 * long they are. Made by `comm.objects()`.
 *
 * A value is sent as it is when the call begins, but for its typed arrays: these are sent as they lie, and belong to the
 * operation until it has ended, as any buffer does. What is received is new, and the receiver's own.
 * Objects and buffers of one communicator share its tags; a receive of one must not meet the other.
 */
export class Objects<T = unknown, C extends object = object> {
  /** The communicator that they are of. */
  readonly comm: C;
  readonly #endpoint: Endpoint;
  readonly #codec: Codec<T>;
  readonly #pool = new FirstPool();
  readonly #status = new Status();

  /** @internal */
  constructor(comm: C, endpoint: Endpoint, codec: Codec<T>) {
    checkCodec(codec);
    this.comm = comm;
    this.#endpoint = endpoint;
    this.#codec = codec;
  }

  /**
   * Sends a value, and returns when its arrays may be written again (MPI 4.1, 3.2.1).
   * @throws MpiError ERR_ARG where the codec cannot encode the value; ERR_BUFFER of an array in it that is
   *   detached or too long; ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  sendSync(value: T, destination: number, tag = 0): void {
    this.#sendSync(value, destination, tag, false);
  }

  /** {@link sendSync} as a promise, which never blocks the thread. */
  send(value: T, destination: number, tag = 0): Promise<void> {
    return this.#send(value, destination, tag, false);
  }

  /**
   * Sends a value, and returns when it has been received (MPI 4.1, 3.4: a synchronous send).
   * @throws MpiError as {@link sendSync}
   */
  ssendSync(value: T, destination: number, tag = 0): void {
    this.#sendSync(value, destination, tag, true);
  }

  /** {@link ssendSync} as a promise. */
  ssend(value: T, destination: number, tag = 0): Promise<void> {
    return this.#send(value, destination, tag, true);
  }

  #sendSync(value: T, destination: number, tag: number, synchronous: boolean): void {
    checkObject(this.#endpoint, destination, tag);
    if (destination === PROC_NULL) return;
    const first = this.#pool.take();
    const requests = this.#start(value, destination, tag, synchronous, first);
    if (requests.length > 0) waitForParts(requests);
    this.#pool.giveBack(first);
  }

  async #send(value: T, destination: number, tag: number, synchronous: boolean): Promise<void> {
    checkObject(this.#endpoint, destination, tag);
    if (destination === PROC_NULL) return;
    const first = this.#pool.take();
    const requests = this.#start(value, destination, tag, synchronous, first);
    if (requests.length > 0) await awaitParts(requests);
    this.#pool.giveBack(first);
  }

  #start(
    value: T,
    destination: number,
    tag: number,
    synchronous: boolean,
    first: First,
  ): Request[] {
    const encoded = encode(this.#codec, value);
    return startObject(this.#endpoint, encoded, first, destination, tag, synchronous);
  }

  /**
   * Receives a value (MPI 4.1, 3.2.4). Of PROC_NULL it is undefined.
   * @throws MpiError ERR_PROTOCOL where what came is no object, or of another codec; ERR_NO_MEM where there is
   *   no memory for it; ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  recvSync(source = ANY_SOURCE, tag = ANY_TAG): Received<T> {
    const endpoint = this.#endpoint;
    const first = this.#pool.take();
    const status = this.#status;
    try {
      recvSync(endpoint, first.bytes, source, tag, status);
    } catch (error) {
      throw noFirst(error);
    }
    const { source: from, tag: its, byteLength } = status;
    if (from === PROC_NULL) return ofNobody();
    const steps = takeObject(endpoint, this.#codec, first, byteLength, from);
    let step = steps.next();
    for (; !step.done; step = steps.next()) waitForParts(step.value);
    this.#pool.giveBack(first);
    return { value: step.value, source: from, tag: its };
  }

  /**
   * {@link recvSync} as a promise, which never blocks the thread.
   * @param options `signal` takes the receive back, unless it has met its object: no object is lost
   */
  async recv(source = ANY_SOURCE, tag = ANY_TAG, options?: ReceiveOptions): Promise<Received<T>> {
    const signal = signalOf(options);
    const first = this.#pool.take();
    return this.#finish(irecvSlowly(this.#endpoint, first.bytes, source, tag), first, signal);
  }

  /** Awaits the first message, and takes what follows. */
  async #finish(request: Request, first: First, signal?: Abortable): Promise<Received<T>> {
    let status: Status;
    request.kind |= TRANSIENT;
    try {
      status = await untilAborted(request, signal, (ended) => ended.status);
    } catch (error) {
      throw noFirst(error);
    }
    if (status.source === PROC_NULL) return ofNobody();
    const { source, tag, byteLength } = status;
    const steps = takeObject(this.#endpoint, this.#codec, first, byteLength, source);
    let step = steps.next();
    for (; !step.done; step = steps.next()) await awaitParts(step.value);
    this.#pool.giveBack(first);
    return { value: step.value, source, tag };
  }

  /**
   * Sends one value and receives another, without deadlock between ranks that do the same (MPI 4.1, 3.10).
   * @throws MpiError as {@link sendSync} and {@link recvSync}
   */
  sendrecvSync(
    value: T,
    destination: number,
    sendTag: number,
    source = ANY_SOURCE,
    receiveTag = ANY_TAG,
  ): Received<T> {
    checkReceive(this.#endpoint, NO_BYTES, source, receiveTag);
    const sent = this.#startAlone(value, destination, sendTag);
    const received = this.recvSync(source, receiveTag);
    waitForParts(sent);
    return received;
  }

  /** {@link sendrecvSync} as a promise. */
  async sendrecv(
    value: T,
    destination: number,
    sendTag: number,
    source = ANY_SOURCE,
    receiveTag = ANY_TAG,
  ): Promise<Received<T>> {
    checkReceive(this.#endpoint, NO_BYTES, source, receiveTag);
    checkObject(this.#endpoint, destination, sendTag);
    const [received] = await Promise.all([
      this.recv(source, receiveTag),
      this.send(value, destination, sendTag),
    ]);
    return received;
  }

  #startAlone(value: T, destination: number, tag: number): Request[] {
    checkObject(this.#endpoint, destination, tag);
    if (destination === PROC_NULL) return [];
    return this.#start(value, destination, tag, false, this.#pool.take());
  }

  /**
   * Objects as they come: `for await (const { value, source } of objects.messages({ tag: 1 }))`. One is received
   * when it is asked for, so a slow reader holds its senders back. Several loops share what comes. The end of
   * the loop (`break`) takes its receive back.
   * @param selection `source` and `tag`, each any unless given; `signal` ends the loop with its reason
   * @throws MpiError as {@link recv}
   */
  messages(selection: Selection = {}): AsyncIterableIterator<Received<T>> {
    const { source, tag, signal } = checkSelection(this.#endpoint, selection);
    const waiting = new Set<Request>();
    const { engine } = this.#endpoint;
    let over = false;
    const next = async (): Promise<IteratorResult<Received<T>>> => {
      if (over) return { done: true, value: undefined };
      signal?.throwIfAborted();
      const first = this.#pool.take();
      const request = irecvSlowly(this.#endpoint, first.bytes, source, tag);
      waiting.add(request);
      try {
        return { done: false, value: await this.#finish(request, first, signal) };
      } catch (error) {
        if (over && error === ENDED) return { done: true, value: undefined };
        throw error;
      } finally {
        waiting.delete(request);
      }
    };
    const end = async (): Promise<IteratorResult<Received<T>>> => {
      over = true;
      for (const request of waiting)
        if (request.state === PENDING && engine.receiving.cancel(request))
          engine.completion.fail(request, ENDED);
      return { done: true, value: undefined };
    };
    return {
      next,
      return: end,
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}

const ENDED = new MpiError('ERR_CLOSED', 'the loop over objects has ended');

function ofNobody<T>(): Received<T> {
  return { value: undefined as T, source: PROC_NULL, tag: ANY_TAG };
}

/** A buffer may be longer than any first message of an object. */
function noFirst(error: unknown): unknown {
  return error instanceof MpiError && error.code === 'ERR_TRUNCATE' ? noObject(error) : error;
}
