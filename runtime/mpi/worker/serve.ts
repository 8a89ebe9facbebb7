/** The rank's end of a port: it does in the main thread what a worker asks for. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { MpiError } from '../../base/error.ts';
import { PENDING } from '../../messaging/operation.ts';
import { bytesOf, type MessageBuffer } from '../point-to-point/buffer.ts';
import type { Codec } from '../point-to-point/objects/codec.ts';
import type { Objects, Received } from '../point-to-point/objects/objects.ts';
import type { Encoded } from '../point-to-point/objects/transfer.ts';
import type { PointToPoint } from '../point-to-point/point-to-point.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import { whenFinalized } from './open-ports.ts';
import { type Call, type Envelope, failureOf, type WorkerPort } from './protocol.ts';

/** Bytes as they are: values are encoded and decoded in the worker. */
const BYTES: Codec<Encoded> = {
  encode: ({ stream, views }, out) => {
    out.push(...views);
    return stream;
  },
  decode: (stream, views) => ({ stream: stream.slice(), views }),
};

class Server {
  readonly #comm: PointToPoint;
  readonly #port: MessagePort;
  readonly #objects: Objects<Encoded>;
  /** Takes back what has not met its message. */
  readonly #pending = new Set<() => void>();
  readonly #forget: () => void;

  constructor(comm: PointToPoint & { readonly size: number }, port: MessagePort) {
    this.#comm = comm;
    this.#port = port;
    this.#objects = comm.objects(BYTES);
    this.#forget = whenFinalized(() => this.#finalized());
    port.postMessage({ rank: comm.rank, size: comm.size });
    port.on('message', (call: Call) => void this.#serve(call));
    port.on('close', () => this.#close());
    // A worker keeps the process alive by itself.
    port.unref();
  }

  async #serve(call: Call): Promise<void> {
    const { id } = call;
    try {
      const { result, moved } = await this.#do(call);
      this.#port.postMessage({ id, result }, moved);
    } catch (error) {
      this.#port.postMessage({ id, error: failureOf(error) });
    }
  }

  async #do({ operation, data, peer, tag, synchronous }: Call): Promise<{
    result: unknown;
    moved: ArrayBuffer[];
  }> {
    if (operation === 'send') {
      await this.#comm.send(data as MessageBuffer, peer, tag);
      return { result: null, moved: [] };
    }
    if (operation === 'recv') return this.#receive(data, peer, tag);
    if (operation === 'sendObject') {
      const send = synchronous ? this.#objects.ssend : this.#objects.send;
      await send.call(this.#objects, data as Encoded, peer, tag);
      return { result: null, moved: [] };
    }
    return this.#receiveObject(peer, tag);
  }

  /** @param data memory that both share, or a number of bytes */
  async #receive(data: unknown, source: number, tag: number) {
    const own = typeof data === 'number' ? new Uint8Array(data) : null;
    const bytes = own ?? bytesOf(data as MessageBuffer);
    const status = await this.#untilClosed(this.#comm.irecv(bytes, source, tag));
    const { source: from, tag: its, byteLength } = status;
    const envelope: Envelope = { source: from, tag: its, byteLength };
    return { result: { envelope, bytes: own }, moved: own === null ? [] : [own.buffer] };
  }

  async #untilClosed(request: StartedRequest & { readonly state: number }) {
    const { engine } = this.#comm.endpoint;
    const cancel = () => {
      if (request.state === PENDING && engine.receiving.cancel(request as never))
        engine.completion.fail(request as never, closed());
    };
    this.#pending.add(cancel);
    try {
      return await request;
    } finally {
      this.#pending.delete(cancel);
    }
  }

  async #receiveObject(source: number, tag: number) {
    const loop = this.#objects.messages({ source, tag });
    const cancel = () => void loop.return?.();
    this.#pending.add(cancel);
    try {
      const { done, value } = await loop.next();
      if (done) throw closed();
      const { value: encoded, source: from, tag: its }: Received<Encoded> = value;
      const moved = encoded?.views.map(({ buffer }) => buffer as ArrayBuffer) ?? [];
      return { result: { encoded, source: from, tag: its }, moved };
    } finally {
      this.#pending.delete(cancel);
    }
  }

  #finalized(): void {
    const over = new MpiError(
      'ERR_FINALIZED',
      'the rank has called MPI.finalize(): its workers have no port to it any more',
    );
    this.#port.postMessage({ over: failureOf(over) });
    this.#port.close();
  }

  /** The worker has ended, or has closed its port. Sends under way go to their end. */
  #close(): void {
    this.#forget();
    for (const cancel of this.#pending) cancel();
  }
}

function closed(): MpiError {
  return new MpiError('ERR_CLOSED', 'the port of a worker was closed');
}

/**
 * A port for a worker of this rank: pass it on (`workerData` and `transferList`, or `postMessage`), and make a `RankPort`
 * of it there. Each worker has one of its own. What a worker asks for is done by the main thread, between its own turns of
 * the event loop: a rank that blocks in a `Sync` call serves no worker meanwhile.
 * @param comm where the worker sends and receives: it shares the ranks and tags of the main thread
 * @throws MpiError ERR_FINALIZED
 */
export function portFor(comm: PointToPoint & { readonly size: number }): WorkerPort {
  comm.endpoint.checkAlive();
  const { port1, port2 } = new MessageChannel();
  new Server(comm, port1);
  return port2;
}
