/**
 * The slots of a communicator's control lines (docs/internals/control-lines.md#lines): how a round is written, and
 * when it is there. Each word has one writer. A line's round is its last word to be written.
 */

import { LOADS_IN_ORDER } from '../../../../transports/ordering.ts';
import type { SharedBlock } from '../../../../transports/shared-block.ts';
import { pause } from '../../../base/pause.ts';
import { OPERATION_BITS } from '../signature.ts';
import {
  AREA_BYTES,
  HAS,
  LINE,
  LINE_SLOTS,
  LINE_WORDS,
  linesBytes,
  SLOT_BYTES,
  STATUS,
} from './layout.ts';

/** Looks at lines that are not there before a rank that blocks makes progress for all else. */
export const LINE_LOOKS = 2000;
/** Steps of a pause between two such looks, some 10 ns in all: a line's writer needs longer than that for its words. */
const LOOK_PAUSE_STEPS = 25;
/** Rounds that end at once before a rank makes progress for all else. */
export const LINE_RUN = 64;

/** {@link Slots.from}: the lines of all ranks are read; or of none. */
export const ALL = -1;
export const NONE = -2;

/** {@link Slots.runRound} */
export const ENDED = 1;
export const NOT_BEGUN = 0;
export const WRITTEN = -1;

/** What goes in one round. */
export interface ShortRound {
  /** What its line says of it, and whose lines it needs: of one rank, ALL or NONE. */
  readonly call: number;
  readonly length: number;
  readonly from: number;
  /** Writes this rank's payload. */
  writeOnly(round: number): void;
  /** The lines are there. */
  takeOnly(): void;
}

/** Odd, and of many bits. */
const HISTORY_FACTOR = 0x2c1b3c6d;

/** What is remembered of all calls, with one more. */
export function withCall(history: number, call: number, length: number): number {
  return Math.imul(history ^ call ^ Math.imul(length, HISTORY_FACTOR), HISTORY_FACTOR);
}

const NO_WORDS: Int32Array = new Int32Array(0);
const NO_BYTES: Uint8Array = new Uint8Array(0);

export class Slots {
  readonly size: number;
  readonly rank: number;
  /** The lines' part of the block; empty until it is there. */
  words: Int32Array = NO_WORDS;
  /** The whole block: lines and areas. */
  bytes: Uint8Array = NO_BYTES;
  block: SharedBlock | null = null;
  /** The last round that an operation has taken, and the last that is read with all before it. Modulo 2^32. */
  round: number;
  done: number;
  /** Of all calls so far: ranks that have called something else, which nobody had to read, find that out with the next call. */
  #history = 0;
  /** What the last call's lines say. */
  word = 0;
  /** Rounds that may yet go the short way. */
  run = 0;
  /** @internal Stored so that pauses are not optimized away. */
  paused = 0;
  #areasAt = 0;
  /** 1: a plain store publishes. */
  #plain = 0;
  /** The last round that may be written without a look at the status lines. */
  #safe: number;

  /** @param start the round before the first; the same at all ranks */
  constructor(size: number, rank: number, start: number) {
    this.size = size;
    this.rank = rank;
    this.round = start;
    this.done = start;
    this.#safe = (start + LINE_SLOTS) | 0;
  }

  open(block: SharedBlock): void {
    this.words = new Int32Array(block.memory, block.byteOffset, linesBytes(this.size) / 4);
    const { memory, byteOffset, areasOffset } = block;
    const end = areasOffset + this.size * AREA_BYTES;
    this.bytes = new Uint8Array(memory, byteOffset, end - byteOffset);
    this.#areasAt = areasOffset - byteOffset;
    this.block = block;
    this.words[this.statusOf(this.rank) + STATUS.done] = this.done;
    this.say(STATUS.lines, HAS);
  }

  /** This rank says of itself, once, what all others wait for. */
  say(at: number, what: number): void {
    Atomics.store(this.words, this.statusOf(this.rank) + at, what);
    this.ringAll();
  }

  /** What a member has said of itself; 0: nothing yet. */
  saidBy(member: number, at: number): number {
    return load(this.words, this.statusOf(member) + at);
  }

  /** Where in `bytes` the payload of a line begins. */
  inlineAt(round: number, member: number): number {
    return (this.lineAt(round, member) + LINE.payload) * 4;
  }

  /** Where in `bytes` a rank's data of a round begin. */
  dataAt(round: number, member: number): number {
    return this.#areasAt + member * AREA_BYTES + (round & (LINE_SLOTS - 1)) * SLOT_BYTES;
  }

  /** The index of a rank's line in the slot of a round. */
  lineAt(round: number, member: number): number {
    const { size } = this;
    return (size + (round & (LINE_SLOTS - 1)) * size + member) * LINE_WORDS;
  }

  statusOf(member: number): number {
    return member * LINE_WORDS;
  }

  /** Rounds of an operation: the number of the first. */
  take(count: number): number {
    const first = (this.round + 1) | 0;
    this.round = (this.round + count) | 0;
    return first;
  }

  /**
   * What the lines of the next call say of it.
   * @param before the number of the call, and what went by messages before it, which has no lines ({@link Calls.before})
   */
  stamp(call: number, length: number, before: number): number {
    const history = this.#history + Math.imul(before, HISTORY_FACTOR);
    const word = (call + (history << OPERATION_BITS)) | 0;
    this.#history = withCall(this.#history, word, length);
    this.word = word;
    return word;
  }

  /** Every member, this rank too, has read the round that was in this slot before. */
  mayWrite(round: number): boolean {
    if (this.block === null) return false;
    if (((this.#safe - round) | 0) >= 0) return true;
    let least = (this.done - round) | 0;
    for (let member = 0; member < this.size; member++)
      if (member !== this.rank) least = Math.min(least, (this.#doneOf(member) - round) | 0);
    this.#safe = (round + least + LINE_SLOTS) | 0;
    return least + LINE_SLOTS >= 0;
  }

  #doneOf(member: number): number {
    return load(this.words, this.statusOf(member) + STATUS.done);
  }

  /** Whether a member keeps a round from being written. */
  holdsUp(member: number, round: number): boolean {
    if (this.block === null) return member === 0;
    return ((this.#doneOf(member) + LINE_SLOTS - round) | 0) < 0;
  }

  /** The payload of this rank's line is written: now the others may read it. */
  publish(round: number, call: number, length: number): void {
    const { words } = this;
    const at = this.lineAt(round, this.rank);
    // It is no round's line while it is being written: who looks back at the one that was here finds none.
    store(words, at, (round - 1) | 0);
    store(words, at + LINE.call, call);
    words[at + LINE.length] = length;
    words[at + LINE.done] = this.done;
    this.#put(at, round);
  }

  /** Stores what members may sleep for. */
  #put(at: number, value: number): void {
    if (this.#plain === 1) this.words[at] = value;
    else Atomics.store(this.words, at, value);
  }

  isThere(round: number, member: number): boolean {
    return load(this.words, this.lineAt(round, member)) === round;
  }

  /** @param from one rank, ALL or NONE */
  areThere(round: number, from: number): boolean {
    if (from === NONE) return true;
    if (from !== ALL) return this.isThere(round, from);
    for (let member = 0; member < this.size; member++)
      if (member !== this.rank && !this.isThere(round, member)) return false;
    return true;
  }

  /** A member whose line, which is there, says something else; -1: none does. */
  otherCall(round: number, from: number, call: number, length: number): number {
    const { words } = this;
    const first = Math.max(from, 0);
    const last = from === ALL ? this.size - 1 : from;
    for (let member = first; member <= last; member++) {
      const at = this.lineAt(round, member);
      const same = words[at + LINE.call] === call && words[at + LINE.length] === length;
      if (!same && member !== this.rank) return member;
    }
    return -1;
  }

  /**
   * A member that has made another call in the place of one of this rank's, as far as the slots still tell.
   * @returns NONE where there is none; ALL where not all have come so far
   */
  findOther(): number {
    const { words, size } = this;
    let found = NONE;
    for (let back = 0; back < LINE_SLOTS; back++) {
      const round = (this.round - back) | 0;
      const mine = this.lineAt(round, this.rank);
      if (!this.isThere(round, this.rank)) continue;
      for (let member = 0; member < size; member++) {
        const at = this.lineAt(round, member);
        if (((load(words, at) - round) | 0) < 0) found = ALL;
        else {
          const same =
            load(words, at + LINE.call) === words[mine + LINE.call] &&
            load(words, at + LINE.length) === words[mine + LINE.length];
          // It may be the line of a later round by now.
          if (!same && this.isThere(round, member)) return member;
        }
      }
    }
    return found;
  }

  /** Others may use the slots up to `done` again. */
  tellDone(): void {
    this.#put(this.statusOf(this.rank) + STATUS.done, this.done);
    this.ringAll();
  }

  ringAll(): void {
    this.block?.ringAll();
  }

  // ---- the short way

  /** The next rounds may go the short way, until something else has to be looked at. */
  allowRun(): void {
    if (this.block === null || !this.mayWrite((this.round + 1) | 0)) return;
    if (this.#plain === 0 && this.block.isFenced()) this.#plain = 1;
    this.run = LINE_RUN;
  }

  /**
   * The one round of a short operation, if it can end at once.
   * @param before as {@link stamp}
   * @param looks at what is not there yet
   * @returns ENDED, NOT_BEGUN, or WRITTEN: this rank's line is there, and others' are not
   */
  runRound(operation: ShortRound, before: number, looks: number): number {
    if (this.run <= 0) return NOT_BEGUN;
    const round = (this.round + 1) | 0;
    if (((this.#safe - round) | 0) < 0 && !this.#waitForRoom(round, looks)) return NOT_BEGUN;
    this.run--;
    this.round = round;
    const { call, length, from } = operation;
    const word = this.stamp(call, length, before);
    operation.writeOnly(round);
    this.publish(round, word, length);
    if (from !== NONE && !this.#readLines(round, from, word, length, looks)) return WRITTEN;
    operation.takeOnly();
    this.done = round;
    this.tellDone();
    return ENDED;
  }

  #waitForRoom(round: number, looks: number): boolean {
    for (let left = looks; left > 0; left--) if (this.mayWrite(round)) return true;
    return false;
  }

  /** Whether the lines are there, and of the same call. @param from a rank, or ALL */
  #readLines(round: number, from: number, word: number, length: number, looks: number): boolean {
    const { words, size } = this;
    let left = looks;
    let least = 0;
    let paused = 0;
    const first = this.lineAt(round, Math.max(from, 0));
    const end = from === ALL ? first + size * LINE_WORDS : first + LINE_WORDS;
    for (let at = first; at < end; at += LINE_WORDS) {
      while (load(words, at) !== round) {
        if (--left <= 0) return false;
        paused ^= pause(LOOK_PAUSE_STEPS);
      }
      if (words[at + LINE.call] !== word || words[at + LINE.length] !== length) return false;
      least = Math.min(least, (words[at + LINE.done] - round) | 0);
    }
    this.paused = paused;
    // The lines of all say how far all have read.
    if (from === ALL) this.#safe = (round + least + LINE_SLOTS) | 0;
    return true;
  }
}

/** Stores stay in order. */
const store = LOADS_IN_ORDER
  ? (words: Int32Array, at: number, value: number) => {
      words[at] = value;
    }
  : (words: Int32Array, at: number, value: number) => {
      Atomics.store(words, at, value);
    };
/** What is read after it is at least as new. */
const load = LOADS_IN_ORDER
  ? (words: Int32Array, at: number) => words[at]
  : (words: Int32Array, at: number) => Atomics.load(words, at);
