/**
 * A collective operation on control lines: a number of rounds, in each of which every rank writes its line, and reads
 * those that it needs once they are there. It is one object, whether a call blocks for it, or it was started: whoever makes
 * progress takes it a step further.
 */
import { ANY_SOURCE, ANY_TAG } from '../../../base/constants.ts';
import type { MpiError } from '../../../base/error.ts';
import type { CallSite } from '../../../messaging/deadlock/call-site.ts';
import type { WaitedOperation } from '../../../messaging/deadlock/waits.ts';
import { type Awaited, COMPLETE, FAILED, PENDING } from '../../../messaging/operation.ts';
import { ASK_AFTER_MS } from '../round.ts';
import { type Signature, wordOf } from '../signature.ts';
import { ALL, NONE, type ShortRound, type Slots } from './slots.ts';

/** What an operation needs of its communicator. */
export interface LineHost {
  readonly slots: Slots;
  /** It has read a round, and not its last. */
  wasRead(operation: LineOperation): void;
  /** Whom it waits for. */
  waitsOf(operation: LineOperation): WaitedOperation[];
  /** Whether a member has not said yet if it has the memory for it. */
  awaits(member: number, operation: LineOperation): boolean;
}

/** Its call, as those know it who ask each other what became of one. */
interface Asking {
  /** Where it was started. */
  readonly site: CallSite | null;
  ask(): void;
  /** A member's line says something else. */
  compare(member: number): void;
  leave(error: MpiError | null): void;
}

export abstract class LineOperation implements Awaited, ShortRound {
  readonly isSend = false;
  readonly peer = ANY_SOURCE;
  readonly tag = ANY_TAG;
  state = COMPLETE;
  error: MpiError | null = null;
  /** Called when it has ended. */
  settled: (() => void) | null = null;
  /** What the program called; in two words, which have to be the same at all ranks. */
  readonly signature: Signature;
  readonly call: number;
  readonly length: number;
  /** For those who ask what became of the call; null: it has not waited yet. */
  running: Asking | null = null;
  #asked = false;
  /** What its lines say of the calls before it. */
  #before = 0;
  /** Whether ranks lay down more than there is room for in their lines. */
  needsAreas = false;
  /** Whether it has its rounds. */
  begun = false;
  /** It has ended, because it goes by messages. */
  declined = false;
  /** A member whose line says something else; -1: none. */
  #other = -1;
  /** Whose lines are read: of one rank, ALL or NONE. */
  from = ALL;
  /** Rounds, and how many of them may be written before the first is read. */
  rounds = 1;
  ahead = 1;
  /** Whether others wait for this rank's lines after the first. */
  offers = true;
  /** The number of the first round, and how many were written and read. */
  first = 0;
  written = 0;
  read = 0;
  /** What its lines say. */
  #word = 0;
  readonly #host: LineHost;
  protected readonly slots: Slots;
  /** What it fails with, though every rank has gone through all its rounds. */
  outcome: MpiError | null = null;
  /** Nobody waits for it any more: it leaves the program's memory alone. */
  protected abandoned = false;

  constructor(host: LineHost, signature: Signature) {
    this.signature = signature;
    this.call = wordOf(signature);
    this.length = signature.count | 0;
    this.#host = host;
    this.slots = host.slots;
  }

  /** Writes this rank's payload of a round. */
  abstract write(round: number): void;
  /** The lines of a round are there. */
  abstract take(round: number): void;

  /** Whether it is one round, and the same object may go through another one. */
  get isShort(): boolean {
    return this.rounds === 1;
  }

  writeOnly(round: number): void {
    this.first = round;
    this.write(0);
  }

  takeOnly(): void {
    this.take(0);
  }

  /** It is under way. @param before as {@link Slots.stamp} */
  enter(before: number): void {
    this.state = PENDING;
    this.error = null;
    this.#before = before;
    this.begun = false;
    this.declined = false;
    this.#other = -1;
    this.written = 0;
    this.read = 0;
    this.abandoned = false;
  }

  /** It has its rounds, from now on. */
  begin(): void {
    this.begun = true;
    this.first = this.slots.take(this.rounds);
    this.#word = this.slots.stamp(this.call, this.length, this.#before);
  }

  /** Its first round is written already. */
  resume(round: number): void {
    this.begun = true;
    this.written = 1;
    this.first = round;
    this.#word = this.slots.word;
  }

  /** Not all ranks have memory for it: whoever began it sends messages. Others may ask about the call meanwhile. */
  decline(): void {
    this.declined = true;
    this.state = COMPLETE;
    this.#settle();
  }

  /** From now on it asks what became of the call elsewhere. */
  watch(running: Asking): void {
    this.running = running;
    if (this.#other >= 0) running.compare(this.#other);
  }

  /** Goes as far as it can; how much has moved. */
  step(): number {
    const { slots } = this;
    let moved = 0;
    // Ranks that have met another call get an answer about it.
    if (this.#other >= 0) return 0;
    for (;;) {
      const before = moved;
      if (this.#mayWrite()) {
        this.#write();
        moved++;
      }
      if (this.read < this.written && slots.areThere((this.first + this.read) | 0, this.from)) {
        if (!this.#isSame((this.first + this.read) | 0)) return moved;
        if (!this.abandoned) this.take(this.read);
        this.read++;
        moved++;
        if (this.read < this.rounds) this.#host.wasRead(this);
      }
      if (this.read === this.rounds) {
        this.end(this.outcome);
        return moved;
      }
      if (moved === before) return moved;
    }
  }

  #write(): void {
    const { slots, written } = this;
    this.write(written);
    // Of who offers nothing only the first line is of use to anybody: it tells of a mismatch.
    if (this.offers || written === 0)
      slots.publish((this.first + written) | 0, this.#word, this.length);
    this.written++;
    if (this.from !== ALL && this.offers) slots.ringAll();
  }

  /** What is left of it begins with a round. */
  protected goOnWith(round: number): void {
    this.written = round;
    this.read = round - 1;
  }

  /** Whether those whose lines are read have made the same call. */
  #isSame(round: number): boolean {
    const other = this.slots.otherCall(round, this.from, this.#word, this.length);
    if (other < 0) return true;
    this.#other = other;
    this.running?.compare(other);
    return false;
  }

  #mayWrite(): boolean {
    const { written } = this;
    if (written === this.rounds || written >= this.read + this.ahead) return false;
    return this.slots.mayWrite((this.first + written) | 0);
  }

  end(error: MpiError | null): void {
    this.error = error;
    this.state = error === null ? COMPLETE : FAILED;
    const { running } = this;
    this.running = null;
    running?.leave(error);
    this.#asked = false;
    this.#settle();
  }

  #settle(): void {
    const { settled } = this;
    this.settled = null;
    settled?.();
  }

  get isOver(): boolean {
    return this.state !== PENDING;
  }

  /** Whether it cannot go on without a member. */
  needs(member: number): boolean {
    const { slots, read, written } = this;
    if (!this.begun) return this.#host.awaits(member, this);
    if (this.#other >= 0) return member === this.#other;
    if (read < written) {
      if (this.from === NONE || (this.from !== ALL && this.from !== member)) return false;
      return !slots.isThere((this.first + read) | 0, member);
    }
    return slots.holdsUp(member, (this.first + written) | 0);
  }

  /**
   * The program waits no longer.
   * @returns whether it comes to its end without the program
   */
  abandon(): boolean {
    this.abandoned = true;
    return this.begun && this.written === this.rounds;
  }

  get asksAfterMs(): number {
    return this.#asked || this.running === null ? Number.POSITIVE_INFINITY : ASK_AFTER_MS;
  }

  stalled(): void {
    this.#asked = true;
    this.running?.ask();
  }

  waits(): { mode: 'all'; operations: WaitedOperation[] } {
    return { mode: 'all', operations: this.#host.waitsOf(this) };
  }
}

/** Rounds that can be under way at the same time, whatever the operation. */
export const AHEAD_MAX = 4;
