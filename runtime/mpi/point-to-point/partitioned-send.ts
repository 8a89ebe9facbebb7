/** The sending end of partitioned communication (MPI 4.1, 4.2). */
import { clearTimeout, setTimeout } from '../../base/clock.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { PENDING } from '../../messaging/operation.ts';
import { WORKER_LOOK_MS } from '../../messaging/waiting.ts';
import { type Data, partOf, sizeOf } from '../datatype/data.ts';
import type { Endpoint } from './endpoint.ts';
import {
  checkPartitions,
  DIVISION_WORDS,
  divisionTag,
  partitionTag,
  Rounds,
  takePartitionTags,
} from './partitioned.ts';
import type { Persistent } from './persistent.ts';
import { checkSend, startSend } from './send.ts';
import type { StartedRequest } from './started-request.ts';

/**
 * A send whose buffer is filled part by part, also by worker threads: each partition leaves when it is
 * ready. A round is complete when all partitions have been made ready and have left.
 */
export class PartitionedSend extends Rounds<void> implements Persistent<void> {
  readonly #firstTag: number;
  /** Partitions of this round that have been sent. */
  readonly #sent: Uint8Array;
  #unsent = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** How many await the round: they keep the process alive. */
  #held = 0;

  /** @internal */
  constructor(
    endpoint: Endpoint,
    buffer: Data | null,
    partitions: number,
    destination: number,
    tag: number,
  ) {
    const payload = checkSend(endpoint, buffer, destination, tag);
    checkPartitions(payload, partitions, destination, tag);
    super(endpoint, payload, partitions, destination, tag);
    this.#firstTag = takePartitionTags(partitions);
    this.#sent = new Uint8Array(partitions);
    if (destination === PROC_NULL) return;
    const division = new Float64Array(DIVISION_WORDS);
    division.set([partitions, sizeOf(payload), this.#firstTag]);
    const { context } = endpoint;
    startSend(
      endpoint,
      new Uint8Array(division.buffer),
      destination,
      divisionTag(tag),
      context + 1,
    );
  }

  /**
   * Starts a round: no partition is ready (MPI_Start; MPI 4.1, 4.2).
   * @throws MpiError as of {@link Persistent.start}
   */
  start(): StartedRequest<void> {
    const round = this.newRound(true, nothing);
    round.onHold = (more) => this.#hold(more);
    this.#sent.fill(0);
    this.#unsent = this.partitions;
    this.expect(this.partitions);
    this.endpoint.engine.addPoller(this);
    this.#lookLater();
    return round;
  }

  /**
   * A round as a promise.
   * @throws MpiError as {@link start}, by the promise; with which the round failed
   */
  async run(): Promise<void> {
    return this.start();
  }

  /** A round, blocking the thread. */
  runSync(): void {
    this.start().wait();
  }

  /**
   * A partition's bytes are there, and will not change in this round (MPI_Pready; MPI 4.1, 4.2).
   * @throws MpiError ERR_ARG where there is no such partition; ERR_REQUEST where it is ready already, or no
   *   round is under way
   */
  ready(partition: number): void {
    this.readyRange(partition, partition);
  }

  /**
   * {@link ready} of all partitions from `first` to `last`, the last one included (MPI_Pready_range; MPI 4.1, 4.2).
   * @throws MpiError as {@link ready}; none of them is ready then
   */
  readyRange(first: number, last: number): void {
    this.#checkReady(first);
    this.#checkReady(last);
    for (let partition = first; partition <= last; partition++) this.#checkReady(partition);
    for (let partition = first; partition <= last; partition++)
      Atomics.store(this.flags, partition, 1);
    this.poll();
  }

  /**
   * {@link ready} of all partitions of a list (MPI_Pready_list; MPI 4.1, 4.2).
   * @throws MpiError as {@link ready}; none of them is ready then
   */
  readyList(partitions: ArrayLike<number>): void {
    if (typeof partitions?.length !== 'number')
      throw new MpiError(
        'ERR_ARG',
        'readyList() takes a list of partitions: give an array of their numbers',
      );
    const list = Array.from(partitions);
    for (const partition of list) this.#checkReady(partition);
    for (const partition of list) Atomics.store(this.flags, partition, 1);
    this.poll();
  }

  #checkReady(partition: number): void {
    this.checkPartition(partition);
    if (this.round?.state !== PENDING)
      throw new MpiError(
        'ERR_REQUEST',
        'a partition is ready while no round is under way: start() first',
      );
    if (Atomics.load(this.flags, partition) !== 0)
      throw new MpiError(
        'ERR_REQUEST',
        `the partition ${partition} was ready already in this round`,
      );
  }

  /** @internal Sends what is ready. */
  poll(): void {
    if (this.#unsent === 0) return;
    const { flags, partitions } = this;
    for (let partition = 0; partition < partitions; partition++)
      if (this.#sent[partition] === 0 && Atomics.load(flags, partition) !== 0)
        this.#send(partition);
    if (this.#unsent === 0) this.#stopLooking();
  }

  #send(partition: number): void {
    const { endpoint, payload, rank, partitions } = this;
    this.#sent[partition] = 1;
    this.#unsent--;
    const size = sizeOf(payload) / partitions;
    const piece = partOf(payload, partition * size, (partition + 1) * size);
    const tag = partitionTag(this.#firstTag, partition);
    this.follow(startSend(endpoint, piece, rank, tag, endpoint.context + 1), nothing);
  }

  /** Workers ring no doorbell: while the event loop turns, their words are looked at now and then. */
  #lookLater(): void {
    this.#timer = setTimeout(() => {
      this.poll();
      if (this.#unsent > 0) this.#lookLater();
    }, WORKER_LOOK_MS);
    if (this.#held === 0) this.#timer.unref();
  }

  #hold(more: number): void {
    this.#held += more;
    if (this.#held > 0) this.#timer?.ref();
    else this.#timer?.unref();
  }

  #stopLooking(): void {
    this.endpoint.engine.removePoller(this);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Frees it. A round under way goes on. */
  [Symbol.dispose](): void {
    this.freed = true;
  }
}

function nothing(): void {}
