/** The worker's end of a port to its rank. */
import { types } from 'node:util';
import { type MessagePort, MessagePort as Port } from 'node:worker_threads';
import { inWords, isTypedArray, store } from '../../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { bytesOf, type MessageBuffer } from '../point-to-point/buffer.ts';
import { type Codec, checkCodec } from '../point-to-point/objects/codec.ts';
import { noObject } from '../point-to-point/objects/envelope.ts';
import { msgpackCodec } from '../point-to-point/objects/msgpack.ts';
import type { Received } from '../point-to-point/objects/objects.ts';
import { type Encoded, encode } from '../point-to-point/objects/transfer.ts';
import { Status } from '../point-to-point/status.ts';
import type { Answer, Call, Envelope, Farewell, Greeting, WorkerPort } from './protocol.ts';
import { errorOf } from './protocol.ts';

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: MpiError) => void;
}

/**
 * A worker's port to its rank: it sends and receives through the main thread. A buffer whose memory is a
 * SharedArrayBuffer is used where it lies; any other is copied once on its way.
 */
export class RankPort {
  /** The rank's number in the communicator that the port is for. */
  readonly rank: number;
  /** How many ranks there are. */
  readonly size: number;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #over: MpiError | null = null;

  private constructor(port: MessagePort, { rank, size }: Greeting) {
    this.rank = rank;
    this.size = size;
    this.#port = port;
    port.on('message', (message: Answer | Farewell) => this.#onMessage(message));
    port.on('close', () => this.#end(closed()));
    port.unref();
  }

  /**
   * Makes one of what `portFor` gave to the main thread.
   * @throws MpiError ERR_ARG where it is no port; ERR_CLOSED where the rank has closed it
   */
  static async open(port: WorkerPort): Promise<RankPort> {
    if (!(port instanceof Port))
      throw new MpiError(
        'ERR_ARG',
        `${inWords(port)} is no port: pass what portFor() gave to the main thread`,
      );
    const greeting = await new Promise<Greeting>((resolve, reject) => {
      port.once('message', resolve);
      port.once('close', () => reject(closed()));
    });
    return new RankPort(port, greeting);
  }

  /** Sends a message (MPI 4.1, 3.2.1). @throws MpiError as `comm.send`; ERR_CLOSED, ERR_FINALIZED */
  async send(buffer: MessageBuffer, destination: number, tag = 0): Promise<void> {
    await this.#call('send', shown(buffer), destination, tag);
  }

  /** Receives a message (MPI 4.1, 3.2.4). @throws MpiError as `comm.recv`; ERR_CLOSED, ERR_FINALIZED */
  async recv(buffer: MessageBuffer, source = ANY_SOURCE, tag = ANY_TAG): Promise<Status> {
    const bytes = bytesOf(buffer);
    const data = types.isSharedArrayBuffer(bytes.buffer) ? bytes : bytes.length;
    const { envelope, bytes: came } = await this.#call<{
      envelope: Envelope;
      bytes: Uint8Array | null;
    }>('recv', data, source, tag);
    if (came !== null) store(bytes, came.subarray(0, envelope.byteLength));
    return Object.assign(new Status(), envelope);
  }

  /**
   * Sends and receives values instead of buffers.
   * @param codec as of `comm.objects`
   * @throws MpiError ERR_ARG where it is no codec
   */
  objects<T = unknown>(codec: Codec<T> = msgpackCodec as Codec<T>): WorkerObjects<T> {
    checkCodec(codec);
    return new WorkerObjects(codec, (operation, data, peer, tag, synchronous) =>
      this.#call(operation, data, peer, tag, synchronous),
    );
  }

  /** Ends it; what is under way fails with ERR_CLOSED. @throws nothing */
  close(): void {
    this.#port.close();
    this.#end(closed());
  }

  #call<Result>(
    operation: Call['operation'],
    data: unknown,
    peer: number,
    tag: number,
    synchronous = false,
  ): Promise<Result> {
    if (this.#over !== null) return Promise.reject(this.#over);
    const id = ++this.#last;
    return new Promise<Result>((resolve, reject) => {
      const call: Call = { id, operation, data, peer, tag, synchronous };
      try {
        this.#port.postMessage(call);
      } catch (cause) {
        reject(new MpiError('ERR_ARG', 'an argument cannot leave the worker', { cause }));
        return;
      }
      this.#waiting.set(id, { resolve, reject });
      // While something is awaited the worker stays.
      this.#port.ref();
    });
  }

  #onMessage(message: Answer | Farewell): void {
    if ('over' in message) {
      this.#end(errorOf(message.over));
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (this.#waiting.size === 0) this.#port.unref();
    if (message.error !== undefined) waiting?.reject(errorOf(message.error));
    else waiting?.resolve(message.result as never);
  }

  #end(error: MpiError): void {
    this.#over ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#over);
    this.#waiting.clear();
  }
}

type Caller = <Result>(
  operation: Call['operation'],
  data: unknown,
  peer: number,
  tag: number,
  synchronous?: boolean,
) => Promise<Result>;

/** Values of one type, sent and received by a worker. */
export class WorkerObjects<T> {
  readonly #codec: Codec<T>;
  readonly #call: Caller;

  /** @internal */
  constructor(codec: Codec<T>, call: Caller) {
    this.#codec = codec;
    this.#call = call;
  }

  /** Sends a value (MPI 4.1, 3.2.1). @throws MpiError as `objects.send`; ERR_CLOSED */
  async send(value: T, destination: number, tag = 0): Promise<void> {
    await this.#call('sendObject', own(encode(this.#codec, value)), destination, tag);
  }

  /** Sends a value, and ends when it has been received (MPI 4.1, 3.4). @throws MpiError as `objects.ssend`; ERR_CLOSED */
  async ssend(value: T, destination: number, tag = 0): Promise<void> {
    await this.#call('sendObject', own(encode(this.#codec, value)), destination, tag, true);
  }

  /** Receives a value (MPI 4.1, 3.2.4). @throws MpiError as `objects.recv`; ERR_CLOSED */
  async recv(source = ANY_SOURCE, tag = ANY_TAG): Promise<Received<T>> {
    const came = await this.#call<{ encoded?: Encoded; source: number; tag: number }>(
      'recvObject',
      null,
      source,
      tag,
    );
    const { encoded, ...from } = came;
    if (encoded === undefined) return { value: undefined as T, ...from };
    try {
      return { value: this.#codec.decode(encoded.stream, encoded.views), ...from };
    } catch (error) {
      throw error instanceof MpiError ? error : noObject(error);
    }
  }
}

/** A view's own bytes: structuredClone would take all of the memory behind it. */
function shown(buffer: MessageBuffer): Uint8Array {
  const bytes = bytesOf(buffer);
  const whole = bytes.byteLength === bytes.buffer.byteLength && isTypedArray(bytes);
  return whole || types.isSharedArrayBuffer(bytes.buffer) ? bytes : new Uint8Array(bytes);
}

function own({ stream, views }: Encoded): Encoded {
  return { stream: new Uint8Array(stream), views: views.map(shown) };
}

function closed(): MpiError {
  return new MpiError('ERR_CLOSED', 'the port to the rank is closed');
}
