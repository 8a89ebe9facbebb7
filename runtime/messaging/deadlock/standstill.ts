/**
 * Finds out that this rank can never go on (docs/internals/deadlock.md). A rank that has slept for
 * {@link PUBLISH_AFTER_MS} tells the node's other ranks what it waits for, and looks whether they all wait
 * for each other. What is found is certain: whoever may still do anything is not in the set.
 */
import { now, unixTime } from '../../base/clock.ts';
import { MpiError } from '../../base/error.ts';
import { closedSet, reachedFrom } from './closed-set.ts';
import { decodeWait, encodeWait, tableOf, type Wait } from './waits.ts';

/** A rank that has slept so long says what it waits for, in milliseconds; DREG_DEADLOCK_MS changes it. */
export const PUBLISH_AFTER_MS = 1000;
/** Between two looks of a rank that sleeps, in milliseconds. */
const LOOK_MS = 500;

interface Posted {
  readonly wait: number;
  readonly text: string;
}

/** Where the ranks of a node say what they wait for; by local rank. */
export interface Board {
  readonly ranks: readonly number[];
  readonly textBytes: number;
  readonly published: boolean;
  readonly doomed: boolean;
  publish(text: string): void;
  clear(): void;
  sleeps(): void;
  read(local: number): Posted | undefined;
  readDoomed(local: number): Posted | undefined;
  isQuiet(local: number, wait: number): boolean;
  hasLeft(local: number): boolean;
  doom(waits: readonly { readonly local: number; readonly wait: number }[]): void;
}

/** What a rank has published. */
interface Told {
  readonly local: number;
  readonly wait: number;
  readonly told: Wait;
}

export class Standstill {
  readonly #rank: number;
  readonly #board: Board;
  readonly #progress: () => number;
  readonly #afterMs: number;
  /** How long a rank may sleep before it looks whether it can go on, in milliseconds. */
  readonly lookMs: number;
  /** When the rank fell asleep; 0: it has moved since. */
  #since = 0;

  /**
   * @param progress takes what has arrived; how many packets came
   * @param afterMs a rank that has slept so long says what it waits for
   */
  constructor(rank: number, board: Board, progress: () => number, afterMs = PUBLISH_AFTER_MS) {
    this.#afterMs = afterMs;
    this.lookMs = Math.min(LOOK_MS, afterMs);
    this.#rank = rank;
    this.#board = board;
    this.#progress = progress;
  }

  /**
   * The rank has received something, or the program runs.
   * @returns an error where a peer has found before that this rank could not go on: what has come now is of
   *   a rank that was told the same, and did something about it
   */
  moved(): MpiError | null {
    this.#since = 0;
    if (!this.#board.published) return null;
    const told = this.#doomed();
    this.#board.clear();
    return told;
  }

  /** The rank goes to sleep: its doorbell is armed, and a look after that has found nothing. */
  sleeps(): void {
    if (this.#since === 0) this.#since = now();
    this.#board.sleeps();
  }

  /**
   * The rank has slept, and nothing has come.
   * @returns an error where nothing can come any more
   */
  slept(describe: () => Omit<Wait, 'rank' | 'since'>): MpiError | null {
    const slept = this.#since === 0 ? 0 : now() - this.#since;
    if (slept < this.#afterMs) return null;
    if (!this.#board.published) {
      const wait = { rank: this.#rank, since: unixTime(this.#since), ...describe() };
      this.#board.publish(encodeWait(wait, this.#board.textBytes));
    }
    return this.verdict();
  }

  /** What it has published is not so any more, though it still sleeps. */
  republish(): void {
    this.#board.clear();
  }

  /** An error where a peer has found that this rank can never go on. */
  #doomed(): MpiError | null {
    const board = this.#board;
    if (!board.doomed) return null;
    return this.#error(readAll(board.ranks, (local) => board.readDoomed(local)));
  }

  /** An error where what this rank has published can never end. */
  verdict(): MpiError | null {
    const board = this.#board;
    const doomed = this.#doomed();
    if (doomed !== null) return doomed;
    const asleep = readBoard(board).filter((one) => this.#isQuiet(one));
    const stuck = closedSet(
      asleep.map((one) => one.told),
      (rank) => this.#hasLeft(rank),
    );
    if (!stuck.has(this.#rank)) return null;
    // What one of them had sent before it slept has either come by now, or has woken its receiver.
    if (this.#progress() > 0) this.moved();
    const closed = asleep.filter((one) => stuck.has(one.told.rank));
    if (!board.published || !closed.every((one) => this.#isQuiet(one))) return null;
    const error = this.#error(closed);
    board.doom(closed);
    return error;
  }

  #isQuiet({ local, wait, told }: Told): boolean {
    return told.rank === this.#rank || this.#board.isQuiet(local, wait);
  }

  #hasLeft(rank: number): boolean {
    const local = this.#board.ranks.indexOf(rank);
    return local >= 0 && this.#board.hasLeft(local);
  }

  #error(stuck: readonly Told[]): MpiError {
    const waits = reachedFrom(
      this.#rank,
      stuck.map((one) => one.told),
    );
    const left = [...new Set(waits.flatMap((wait) => wait.operations.flatMap(({ from }) => from)))]
      .filter((rank) => this.#hasLeft(rank))
      .map((rank) => `\n  rank ${rank} has left (MPI.finalize)`);
    return new MpiError(
      'ERR_DEADLOCK',
      `rank ${this.#rank} can never go on: each of these ranks waits for what only the others could do, and nothing is on its way:\n${tableOf(waits)}${left.join('')}`,
      { rank: this.#rank, waits: waits.flatMap(linesOf) },
    );
  }
}

function linesOf({ rank, operations, stack }: Wait) {
  return operations.map(({ operation, peer, tag }) => ({ rank, operation, peer, tag, stack }));
}

/** What the ranks of a node have published. */
export function readBoard(board: Pick<Board, 'ranks' | 'read'>): Told[] {
  return readAll(board.ranks, (local) => board.read(local));
}

function readAll(ranks: readonly number[], read: (local: number) => Posted | undefined): Told[] {
  const all: Told[] = [];
  for (let local = 0; local < ranks.length; local++) {
    const posted = read(local);
    const told = posted === undefined ? undefined : decodeWait(posted.text);
    if (posted && told) all.push({ local, wait: posted.wait, told });
  }
  return all;
}
