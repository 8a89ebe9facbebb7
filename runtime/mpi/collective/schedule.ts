/**
 * Operations of several rounds (collective ones, the making of communicators), each written once: a
 * generator that starts the sends and receives of a round, yields them, and goes on when all of them have
 * ended. It is run by a call that blocks, or by whatever makes progress.
 */
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import {
  type CallSite,
  callsOf,
  currentCalls,
  noteCallSite,
} from '../../messaging/deadlock/call-site.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import { PENDING } from '../../messaging/operation.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { ManualRequest } from '../point-to-point/manual-request.ts';
import { Parts } from '../point-to-point/parts.ts';
import type { Request } from '../point-to-point/request.ts';
import type { Call, Running } from './call.ts';
import { checkLengths, ofRound } from './mismatch.ts';
import { ASK_AFTER_MS, isWaitedFor, openParts, waitForRound } from './round.ts';

/** Yields the requests of each round, and returns the result. A round that fails throws at its yield. */
export type Schedule<Result> = Generator<readonly Request[], Result, void>;

/** A schedule, and the collective call that it belongs to, if it does. */
export interface Begun<Result> {
  readonly schedule: Schedule<Result>;
  readonly call: Call | null;
}

/** Runs a schedule to its end, blocking the thread. @throws MpiError that a round, or the schedule itself, failed with */
export function runSync<Result>(schedule: Schedule<Result>, call: Call | null = null): Result {
  try {
    return run(schedule, call);
  } catch (error) {
    const ours = inOurTerms(error);
    call?.book.failed(call, ours);
    throw ours;
  }
}

function run<Result>(schedule: Schedule<Result>, call: Call | null): Result {
  let step = schedule.next();
  while (step.done !== true) {
    try {
      waitForRound(step.value, call);
    } catch (error) {
      step = schedule.throw(ofRound(error as MpiError, call));
      continue;
    }
    step = schedule.next();
  }
  return step.value;
}

/** A schedule that goes on whenever the rank makes progress, whatever it was called for. */
export class ScheduledRequest<Result> extends ManualRequest<Result> {
  #schedule: Schedule<Result> | null = null;
  #call: Call | null = null;
  #result: Result | undefined;
  /** What has to end before it goes on. */
  #round: readonly Request[] = [];
  readonly #endpoint: Endpoint;
  /** Whether the call waits, and has asked those it waits for. */
  #entered = false;
  #asked = false;
  /** Where it was started. */
  #site: CallSite | null = null;
  #blocks = false;

  constructor(owner: Endpoint) {
    super(owner, NOBODYS, () => undefined as Result);
    this.#endpoint = owner;
  }

  /** @internal One that has begun. @param begin what it throws the request fails with */
  static of<Result>(owner: Endpoint, begin: () => Schedule<Result>): ScheduledRequest<Result> {
    const request = new ScheduledRequest<Result>(owner);
    request.begin(() => ({ schedule: begin(), call: null }));
    return request;
  }

  /** @internal Begins, anew if it has ended, with the first round, and goes as far as it can. */
  begin(begin: () => Begun<Result>): void {
    const owner = this.#endpoint;
    this.state = PENDING;
    this.error = null;
    this.told = false;
    this.#site = null;
    owner.beginUse();
    owner.engine.loop.track();
    this.whenEnded(() => {
      owner.endUse();
      owner.engine.loop.untrack();
    });
    try {
      const { schedule, call } = begin();
      this.#schedule = schedule;
      this.#call = call;
    } catch (error) {
      this.end(inOurTerms(error));
      return;
    }
    this.#advance(null);
  }

  #enter(): void {
    if (this.#entered || this.#call === null) return;
    this.#entered = true;
    this.#site = noteCallSite();
    this.#call.book.enter(this as Running);
  }

  override end(error: MpiError | null): void {
    const call = this.#call;
    if (this.#entered) call?.book.leave(this as Running);
    this.#entered = false;
    super.end(error);
    if (error !== null) call?.book.failed(call, error);
  }

  /** @param failure of the round that has ended, if it failed */
  #advance(failure: MpiError | null): void {
    const schedule = this.#schedule as Schedule<Result>;
    const { engine } = this.#endpoint;
    let failed = failure;
    try {
      for (;;) {
        const step =
          failed === null ? schedule.next() : schedule.throw(ofRound(failed, this.#call));
        if (step.done === true) {
          this.#result = step.value;
          this.end(null);
          return;
        }
        this.#round = step.value;
        const round = new Parts(step.value);
        if (!round.done) {
          this.#asked = false;
          this.#enter();
          // Not at once: whoever ends an operation may be in the middle of something.
          round.ended = () =>
            engine.later(() => {
              // It may have been abandoned meanwhile.
              if (this.#round === step.value) this.#advance(this.#outcome(round));
            });
          return;
        }
        failed = this.#outcome(round);
      }
    } catch (error) {
      this.end(inOurTerms(error));
    }
  }

  /** Why a round that has ended failed; null: it did not. */
  #outcome({ error }: Parts): MpiError | null {
    if (error !== null || this.#call === null) return error;
    try {
      checkLengths(this.#round, this.#call);
      return null;
    } catch (mismatch) {
      return mismatch as MpiError;
    }
  }

  override get result(): Result {
    return this.#result as Result;
  }

  /** It goes on when the whole round has ended: whoever cannot end the first part ends nothing. */
  override describe(): WaitedOperation {
    return openParts(this.#round)[0]?.describe() ?? super.describe();
  }

  override waits(): { mode: 'all'; operations: WaitedOperation[] } {
    const open = openParts(this.#round);
    if (open.length === 0) return { mode: 'all', operations: [super.describe()] };
    return { mode: 'all', operations: open.map((part) => part.describe()) };
  }

  get asksAfterMs(): number {
    return this.#asked || !this.#entered ? Number.POSITIVE_INFINITY : ASK_AFTER_MS;
  }

  stalled(): void {
    this.#asked = true;
    if (this.#entered) this.call.book.ask(this as Running, openParts(this.#round));
  }

  askAgain(): void {
    this.#asked = false;
  }

  get call(): Call {
    return this.#call as Call;
  }

  waitsFor(peer: number): boolean {
    return isWaitedFor(this.#round, peer, this.call);
  }

  place(): string {
    if (this.#blocks) return currentCalls();
    return this.#site === null ? '' : callsOf(this.#site);
  }

  /** @internal Where the program has started it. */
  override get site(): CallSite | null {
    return this.#site;
  }

  override waitForEnd(): void {
    this.#blocks = true;
    try {
      super.waitForEnd();
    } finally {
      this.#blocks = false;
    }
  }

  /** It can never end. The schedule hears of it, so that it gives back what it holds; what else it begins is given up. */
  abandon(error: MpiError): void {
    const schedule = this.#schedule as Schedule<Result>;
    let parts = this.#round;
    this.#round = [];
    try {
      for (let over: boolean | undefined = false; over !== true; ) {
        for (const part of openParts(parts)) part.giveUp(error, nothing);
        const step = schedule.throw(error);
        over = step.done;
        if (step.done !== true) parts = step.value;
      }
    } catch {
      // The same error, most likely.
    }
    this.end(error);
  }

  /** The round's receives are taken back; what its sends have begun goes on. */
  override giveUp(error: MpiError, abandoned: (error: MpiError) => void): void {
    for (const part of openParts(this.#round)) part.giveUp(error, nothing);
    abandoned(error);
  }
}

/** It sends and receives, with several ranks. */
const NOBODYS = { isSend: false, peer: ANY_SOURCE, tag: ANY_TAG, length: 0 };

function nothing(): void {}

function inOurTerms(error: unknown): MpiError {
  if (error instanceof MpiError) return error;
  return new MpiError('ERR_INTERNAL', `a collective operation failed: ${error}`, { cause: error });
}
