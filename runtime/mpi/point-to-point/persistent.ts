/**
 * Persistent sends and receives (MPI 4.1, 3.9): what can be checked and prepared is so once, when they are
 * made.
 */
import { lengthOf, NO_BYTES } from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { COMPLETE, FAILED, PENDING, SEND, SYNCHRONOUS } from '../../messaging/operation.ts';
import type { Data } from '../datatype/data.ts';
import type { Endpoint } from './endpoint.ts';
import { checkReceive } from './receive.ts';
import { Request } from './request.ts';
import { checkSend } from './send.ts';
import type { StartedRequest } from './started-request.ts';
import { Status } from './status.ts';

/**
 * An operation that is made once and started often. Each round ends before the next one starts.
 * @typeParam R what a round ends with
 */
export interface Persistent<R = Status> {
  /** Whether a round was started of whose end the program has not heard. */
  readonly active: boolean;
  /**
   * Starts a round (MPI_Start; MPI 4.1, 3.9).
   * @returns the request of the round; it is the same object for each round
   * @throws MpiError ERR_REQUEST where the last round is under way, or failed without being looked at;
   *   ERR_BUFFER where the buffer was detached or shrunk meanwhile; ERR_CLOSED, ERR_FINALIZED, ERR_PEER_FAILED
   */
  start(): StartedRequest<R>;
  /**
   * A round as a promise.
   * @throws MpiError as {@link start}, by the promise; with which the round failed
   */
  run(): Promise<R>;
  /** A round, blocking the thread. Of a receive the status is the same object for each round. */
  runSync(): R;
  /** Frees it (MPI_Request_free; MPI 4.1, 3.9). A round under way comes to its end. */
  [Symbol.dispose](): void;
}

/** What {@link startAll} takes. */
export abstract class Startable<R> implements Persistent<R> {
  abstract readonly active: boolean;
  abstract start(): StartedRequest<R>;
  abstract run(): Promise<R>;
  abstract runSync(): R;
  abstract [Symbol.dispose](): void;
}

class SendRequest extends Request<void> {
  override get result(): undefined {
    return undefined;
  }
}

abstract class PersistentOperation<R> extends Startable<R> {
  protected readonly endpoint: Endpoint;
  /** Of what does not lie side by side, none. */
  protected readonly bytes: Uint8Array;
  protected readonly length: number;
  /** The destination or source, as the program names it. */
  protected readonly rank: number;
  protected readonly tag: number;
  readonly #request: Request<R>;
  #freed = false;

  constructor(endpoint: Endpoint, rank: number, tag: number, request: Request<R>) {
    super();
    this.endpoint = endpoint;
    this.bytes = request.bytes;
    this.length = request.length;
    this.rank = rank;
    this.tag = tag;
    this.#request = request;
    // No round has been started.
    request.state = COMPLETE;
    request.told = true;
  }

  protected abstract begin(request: Request<R>): void;

  get active(): boolean {
    return !this.#request.told;
  }

  /** Whether a round may begin that goes the short way. */
  protected get ready(): boolean {
    return this.#request.told && !this.#freed && lengthOf(this.bytes) === this.length;
  }

  #check(): void {
    const { state, told } = this.#request;
    this.endpoint.checkAlive();
    if (this.#freed)
      throw new MpiError('ERR_CLOSED', 'a persistent operation was started after it was freed');
    if (state === PENDING || (state === FAILED && !told))
      throw new MpiError(
        'ERR_REQUEST',
        `a persistent operation was started ${state === PENDING ? 'while its last round is under way: wait for it first' : 'again, and the error of its last round was not looked at: wait for it'}`,
      );
    if (this.#request.intact) return;
    throw new MpiError(
      'ERR_BUFFER',
      'the buffer of a persistent operation was detached or shrunk since the operation was made',
    );
  }

  start(): StartedRequest<R> {
    this.#check();
    const { endpoint, rank } = this;
    const request = this.#request;
    const nobody = rank === PROC_NULL;
    request.restart(nobody ? PROC_NULL : endpoint.worldOf(rank), this.tag);
    if (nobody) return request.completeWith(0);
    try {
      this.begin(request);
    } catch (error) {
      // Nothing was begun.
      request.state = COMPLETE;
      request.told = true;
      throw error;
    }
    if (request.state === PENDING) endpoint.engine.completion.track(request);
    return request;
  }

  async run(): Promise<R> {
    return this.start();
  }

  runSync(): R {
    return this.start().wait();
  }

  [Symbol.dispose](): void {
    this.#freed = true;
  }
}

export class PersistentSend extends PersistentOperation<void> {
  readonly #synchronous: boolean;

  constructor(
    endpoint: Endpoint,
    buffer: Data | null,
    destination: number,
    tag: number,
    synchronous: boolean,
  ) {
    const payload = checkSend(endpoint, buffer, destination, tag);
    const request = new SendRequest(endpoint, NO_BYTES, 0, endpoint.context, destination, tag);
    request.carry(payload);
    super(endpoint, destination, tag, request);
    request.kind = synchronous ? SEND | SYNCHRONOUS : SEND;
    this.#synchronous = synchronous;
  }

  protected begin(request: Request<void>): void {
    this.endpoint.engine.send(request);
  }

  override runSync(): void {
    if (this.#sendAtOnce()) return;
    super.runSync();
  }

  override async run(): Promise<void> {
    if (this.#sendAtOnce()) return;
    await super.run();
  }

  #sendAtOnce(): boolean {
    const { length, endpoint } = this;
    if (!this.ready || this.#synchronous || length === 0) return false;
    const peer = endpoint.peerTo(this.rank);
    if (peer === undefined || length > peer.packetBytes) return false;
    return peer.program.trySendNow(endpoint.context, this.tag, this.bytes, length);
  }
}

export class PersistentReceive extends PersistentOperation<Status> {
  readonly #status = new Status();

  constructor(endpoint: Endpoint, buffer: Data | null, source: number, tag: number) {
    const payload = checkReceive(endpoint, buffer, source, tag);
    super(endpoint, source, tag, Request.of(endpoint, payload, endpoint.context, source, tag));
  }

  protected begin(request: Request): void {
    this.endpoint.engine.receiving.receive(request);
  }

  override runSync(): Status {
    const { endpoint, rank, length } = this;
    const status = this.#status;
    const peer = endpoint.peerFrom(rank);
    if (peer !== undefined && this.ready && length > 0 && endpoint.messages.quiet) {
      const context = endpoint.contextFrom(rank);
      if (endpoint.engine.tryReceiveNow(peer, context, this.tag, this.bytes, status)) {
        status.source = rank;
        return status;
      }
    }
    const request = this.start() as Request;
    request.wait();
    return request.fill(status);
  }
}

/**
 * Starts a round of each (MPI_Startall; MPI 4.1, 3.9), in their order.
 * @returns their requests
 * @throws MpiError ERR_REQUEST where it is no array of persistent operations; as their `start`: those before
 *   the one that fails have been started
 */
export function startAll<R>(operations: readonly Persistent<R>[]): StartedRequest<R>[] {
  if (!Array.isArray(operations) || !operations.every((each) => each instanceof Startable))
    throw new MpiError(
      'ERR_REQUEST',
      'startAll takes an array of persistent operations, such as comm.persistent.send() makes',
    );
  return operations.map((each) => each.start());
}
