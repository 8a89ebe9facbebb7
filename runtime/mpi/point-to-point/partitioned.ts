/**
 * What both ends of a partitioned operation have in common (MPI 4.1, 4). Its messages go in the library's
 * context, so that no other receive gets them. The sender tells the receiver once how it has divided the
 * buffer; then each partition is a message of its own, in each round under the same tag.
 */
import { inWords } from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { COMPLETE, PENDING } from '../../messaging/operation.ts';
import { type Payload, sizeOf } from '../datatype/data.ts';
import type { Endpoint } from './endpoint.ts';
import { DIVISION_TAG, PARTITION_TAG, PARTITION_TAGS } from './library-tags.ts';
import { ManualRequest } from './manual-request.ts';
import type { StartedRequest } from './started-request.ts';
import type { Status } from './status.ts';

/** Partitions that an operation may have. */
export const PARTITIONS_MAX = 65536;
/** The largest tag of a partitioned operation. */
export const PARTITIONED_TAG_MAX = 2 ** 29 - 1;

export function divisionTag(tag: number): number {
  return DIVISION_TAG + tag;
}

export function partitionTag(first: number, partition: number): number {
  return PARTITION_TAG + ((first + partition) % PARTITION_TAGS);
}

let partitionsMade = 0;

/** Where the tags of so many partitions begin: those of operations that live at the same time differ. */
export function takePartitionTags(partitions: number): number {
  const first = partitionsMade;
  partitionsMade = (partitionsMade + partitions) % PARTITION_TAGS;
  return first;
}

/** What the sender tells: partitions, bytes, first tag. */
export const DIVISION_WORDS = 3;

/** @throws MpiError ERR_COUNT, ERR_TAG, ERR_RANK */
export function checkPartitions(
  payload: Payload,
  partitions: number,
  rank: number,
  tag: number,
): void {
  const length = sizeOf(payload);
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX)
    throw new MpiError(
      'ERR_COUNT',
      `${inWords(partitions)} is no number of partitions in 1..${PARTITIONS_MAX}`,
    );
  if (length % partitions !== 0)
    throw new MpiError(
      'ERR_COUNT',
      `a buffer of ${length} bytes cannot be divided into ${partitions} partitions of the same length`,
    );
  if (rank < 0 && rank !== PROC_NULL)
    throw new MpiError('ERR_RANK', 'a partitioned receive names its source: ANY_SOURCE is none');
  if (!(tag >= 0 && tag <= PARTITIONED_TAG_MAX))
    throw new MpiError(
      'ERR_TAG',
      `the tag ${inWords(tag)} of a partitioned operation is no integer in 0..${PARTITIONED_TAG_MAX}`,
    );
}

/** Rounds of an operation of several parts: a round ends when all of its parts have. */
export abstract class Rounds<R> {
  /** How many partitions the buffer has. */
  readonly partitions: number;
  /** One word a partition, shared with workers. */
  readonly flags: Int32Array;
  protected readonly endpoint: Endpoint;
  protected readonly payload: Payload;
  protected readonly rank: number;
  protected readonly tag: number;
  protected round: ManualRequest<R> | null = null;
  protected freed = false;
  #left = 0;
  #error: MpiError | null = null;

  constructor(endpoint: Endpoint, payload: Payload, partitions: number, rank: number, tag: number) {
    this.endpoint = endpoint;
    this.payload = payload;
    this.partitions = partitions;
    this.rank = rank;
    this.tag = tag;
    this.flags = new Int32Array(new SharedArrayBuffer(4 * partitions));
  }

  /** Whether a round was started of whose end the program has not heard. */
  get active(): boolean {
    return this.round !== null && !this.round.told;
  }

  /** @throws MpiError ERR_REQUEST, ERR_CLOSED, ERR_FINALIZED */
  protected newRound(isSend: boolean, result: (status: Status) => R): ManualRequest<R> {
    const { endpoint, rank, tag, payload } = this;
    endpoint.checkAlive();
    if (this.freed)
      throw new MpiError('ERR_CLOSED', 'a partitioned operation was started after it was freed');
    if (
      this.round !== null &&
      (this.round.state === PENDING || !(this.round.told || this.round.state === COMPLETE))
    )
      throw new MpiError(
        'ERR_REQUEST',
        'a partitioned operation was started while its last round is under way: wait for it first',
      );
    this.flags.fill(0);
    const peer = rank === PROC_NULL ? endpoint.engine.rank : endpoint.worldOf(rank);
    this.round = new ManualRequest(
      endpoint,
      { isSend, peer, tag, length: sizeOf(payload) },
      result,
    );
    endpoint.beginUse();
    this.round.whenEnded(() => endpoint.endUse());
    this.#error = null;
    return this.round;
  }

  /** So many parts have to end. */
  protected expect(parts: number): void {
    this.#left = parts;
    if (parts === 0) this.round?.end(null);
  }

  protected follow(part: StartedRequest<unknown>, ended: () => void): void {
    part.whenEnded(() => {
      part.tell();
      this.#error ??= part.error;
      if (part.error === null) ended();
      if (--this.#left === 0) this.finished(this.#error);
    });
  }

  protected finished(error: MpiError | null): void {
    this.round?.end(error);
  }

  /** @throws MpiError ERR_ARG */
  protected checkPartition(partition: number): void {
    if (Number.isInteger(partition) && partition >= 0 && partition < this.partitions) return;
    throw new MpiError(
      'ERR_ARG',
      `${inWords(partition)} is no partition: there are 0 to ${this.partitions - 1}`,
    );
  }
}
