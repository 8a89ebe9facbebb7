/** The receiving end of partitioned communication (MPI 4.1, 4.2). */
import { setImmediate } from '../../base/clock.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { FAILED, PENDING } from '../../messaging/operation.ts';
import { type Data, partOf, sizeOf } from '../datatype/data.ts';
import { callSiteOf } from './awaited.ts';
import type { Endpoint } from './endpoint.ts';
import {
  checkPartitions,
  DIVISION_WORDS,
  divisionTag,
  partitionTag,
  Rounds,
} from './partitioned.ts';
import type { Persistent } from './persistent.ts';
import { checkReceive, startReceive } from './receive.ts';
import type { Request } from './request.ts';
import type { StartedRequest } from './started-request.ts';
import type { Status } from './status.ts';
import { within } from './timeout.ts';

/**
 * A receive that says which parts of its buffer are there. It may be divided in another way than its
 * sender; both buffers have the same length.
 */
export class PartitionedReceive extends Rounds<Status> implements Persistent<Status> {
  readonly #division = new Float64Array(DIVISION_WORDS);
  readonly #divided: Request;
  /** Sender's partitions that each of ours still waits for. */
  readonly #missing: Int32Array;
  /** Our partitions, in the order in which they came. */
  #order: number[] = [];
  #listeners: (() => void)[] = [];

  /** @internal */
  constructor(
    endpoint: Endpoint,
    buffer: Data | null,
    partitions: number,
    source: number,
    tag: number,
  ) {
    const payload = checkReceive(endpoint, buffer, source, tag);
    checkPartitions(payload, partitions, source, tag);
    super(endpoint, payload, partitions, source, tag);
    this.#missing = new Int32Array(partitions);
    const into = new Uint8Array(this.#division.buffer);
    this.#divided = startReceive(endpoint, into, source, divisionTag(tag), endpoint.context + 1);
  }

  /**
   * Starts a round: no partition has arrived (MPI_Start; MPI 4.1, 4.2).
   * @throws MpiError as of {@link Persistent.start}
   */
  start(): StartedRequest<Status> {
    const round = this.newRound(false, (status) => status);
    this.#order = [];
    if (this.rank === PROC_NULL) {
      round.status.setNull();
      for (let i = 0; i < this.partitions; i++) this.#arrive(i);
      this.expect(0);
    } else if (this.#divided.done) this.#post();
    else this.#divided.whenEnded(() => this.#postLater());
    return round;
  }

  /** What ends an operation may not begin others: they begin with the next progress. */
  #postLater(): void {
    const { engine } = this.endpoint;
    engine.addPoller(this);
    setImmediate(() => engine.progress());
  }

  /** @internal */
  poll(): void {
    this.endpoint.engine.removePoller(this);
    this.#post();
  }

  #post(): void {
    const { endpoint, payload, rank, tag, round } = this;
    const { context } = endpoint;
    const [theirs, length, firstTag] = this.#division;
    const error = this.#divided.error ?? this.#mismatch(length);
    if (error !== null) {
      this.finished(error);
      return;
    }
    Object.assign(round?.status ?? {}, { source: rank, tag, byteLength: length });
    const size = length / theirs;
    this.#missing.fill(0);
    this.expect(theirs);
    for (let j = 0; j < theirs; j++) for (const i of this.#touched(j, theirs)) this.#missing[i]++;
    for (let j = 0; j < theirs; j++) {
      const piece = partOf(payload, j * size, (j + 1) * size);
      const receive = startReceive(endpoint, piece, rank, partitionTag(firstTag, j), context + 1);
      this.follow(receive, () => {
        for (const i of this.#touched(j, theirs)) if (--this.#missing[i] === 0) this.#arrive(i);
      });
    }
  }

  #mismatch(length: number): MpiError | null {
    const own = sizeOf(this.payload);
    if (length === own) return null;
    const { rank, tag } = this;
    return new MpiError(
      'ERR_TRUNCATE',
      `a partitioned send of ${length} bytes from rank ${rank} with tag ${tag} meets a receive of ${own} bytes: both have to be of the same length`,
      { rank: this.endpoint.rank, peer: rank, tag },
    );
  }

  /** Our partitions that a sender's partition has bytes of. */
  *#touched(theirs: number, count: number): Generator<number> {
    const { partitions } = this;
    const first = Math.floor((theirs * partitions) / count);
    const end = Math.ceil(((theirs + 1) * partitions) / count);
    for (let i = first; i < end; i++) yield i;
  }

  #arrive(partition: number): void {
    Atomics.store(this.flags, partition, 1);
    Atomics.notify(this.flags, partition);
    this.#order.push(partition);
    this.#tell();
  }

  #tell(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  protected override finished(error: MpiError | null): void {
    super.finished(error);
    this.#tell();
  }

  /**
   * A round as a promise.
   * @throws MpiError as {@link start}, by the promise; with which the round failed
   */
  async run(): Promise<Status> {
    return this.start();
  }

  /** A round, blocking the thread. */
  runSync(): Status {
    return this.start().wait();
  }

  /**
   * Whether a partition has arrived in this round, after some progress (MPI_Parrived; MPI 4.1, 4.2).
   * @throws MpiError ERR_ARG where there is no such partition
   */
  arrived(partition: number): boolean {
    this.checkPartition(partition);
    if (Atomics.load(this.flags, partition) === 0) this.endpoint.engine.progress();
    return Atomics.load(this.flags, partition) !== 0;
  }

  /**
   * The partitions of this round in the order in which they come, each once.
   * @throws MpiError in the loop, what the round fails with
   */
  async *arrivals(): AsyncGenerator<number, void, undefined> {
    const { round, partitions } = this;
    if (round === null)
      throw new MpiError(
        'ERR_REQUEST',
        'no round is under way whose partitions arrive: start() first',
      );
    const order = this.#order;
    for (let given = 0; given < partitions; ) {
      if (given < order.length) yield order[given++];
      else if (round.state === FAILED) {
        round.tell();
        throw round.error;
      } else if (round.state === PENDING) await this.#next(round);
    }
  }

  async #next(round: StartedRequest<Status>): Promise<void> {
    const { endpoint } = this;
    const site = callSiteOf(endpoint.engine);
    let release = () => {};
    try {
      const next = new Promise<void>((resolve, reject) => {
        release = round.hold(site, reject);
        this.#listeners.push(resolve);
      });
      await within(endpoint, round, next);
    } finally {
      release();
    }
  }

  /** Frees it. A round under way goes on. */
  [Symbol.dispose](): void {
    this.freed = true;
    if (this.round?.state !== PENDING) this.#divided.cancel();
  }
}
