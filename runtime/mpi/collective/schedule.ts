/**
 * Operations of several rounds (collective ones, the making of communicators), each written once: a
 * generator that starts the sends and receives of a round, yields them, and goes on when all of them have
 * ended. It is run by a call that blocks, or by whatever makes progress.
 */
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import type { Engine } from '../../messaging/engine.ts';
import { PENDING } from '../../messaging/operation.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { ManualRequest } from '../point-to-point/manual-request.ts';
import { Parts, waitForParts } from '../point-to-point/parts.ts';
import type { Request } from '../point-to-point/request.ts';

/** Yields the requests of each round, and returns the result. A round that fails throws at its yield. */
export type Schedule<Result> = Generator<readonly Request[], Result, void>;

/** Runs a schedule to its end, blocking the thread. @throws MpiError that a round, or the schedule itself, failed with */
export function runSync<Result>(schedule: Schedule<Result>): Result {
  let step = schedule.next();
  while (step.done !== true) {
    try {
      waitForParts(step.value);
    } catch (error) {
      step = schedule.throw(error);
      continue;
    }
    step = schedule.next();
  }
  return step.value;
}

/** A schedule that goes on whenever the rank makes progress, whatever it was called for. */
export class ScheduledRequest<Result> extends ManualRequest<Result> {
  #schedule: Schedule<Result> | null = null;
  #result: Result | undefined;
  /** What has to end before it goes on. */
  #round: readonly Request[] = [];

  /**
   * Begins with the first round, and goes as far as it can.
   * @param begin what it throws, a bad argument, is what the request fails with
   */
  constructor(owner: Endpoint, begin: () => Schedule<Result>) {
    super(owner, NOBODYS, () => undefined as Result);
    owner.beginUse();
    owner.engine.loop.track();
    this.whenEnded(() => {
      owner.endUse();
      owner.engine.loop.untrack();
    });
    this.#advance(owner.engine, begin);
  }

  /** @param begin for the first time; after that the failure of the round that has ended, if it failed */
  #advance(engine: Engine, begin: (() => Schedule<Result>) | MpiError | null): void {
    let failure = begin instanceof MpiError ? begin : null;
    try {
      if (typeof begin === 'function') this.#schedule = begin();
      const schedule = this.#schedule as Schedule<Result>;
      for (;;) {
        const step = failure === null ? schedule.next() : schedule.throw(failure);
        if (step.done === true) {
          this.#result = step.value;
          this.end(null);
          return;
        }
        this.#round = step.value;
        const round = new Parts(step.value);
        if (!round.done) {
          // Not at once: whoever ends an operation may be in the middle of something.
          round.ended = () => engine.later(() => this.#advance(engine, round.error));
          return;
        }
        failure = round.error;
      }
    } catch (error) {
      this.end(inOurTerms(error));
    }
  }

  override get result(): Result {
    return this.#result as Result;
  }

  /** Of the round's parts: first those that others can end. */
  get #open(): readonly Request[] {
    const { rank } = this.owner.engine;
    const open = this.#round.filter(({ state }) => state === PENDING);
    return open.sort((one, other) => Number(one.peer === rank) - Number(other.peer === rank));
  }

  /** It goes on when the whole round has ended: whoever cannot end the first part ends nothing. */
  override describe(): WaitedOperation {
    return this.#open[0]?.describe() ?? super.describe();
  }

  override waits(): { mode: 'all'; operations: WaitedOperation[] } {
    const open = this.#open;
    if (open.length === 0) return { mode: 'all', operations: [super.describe()] };
    return { mode: 'all', operations: open.map((part) => part.describe()) };
  }

  /** The round's receives are taken back; what its sends have begun goes on. */
  override giveUp(error: MpiError, abandoned: (error: MpiError) => void): void {
    for (const part of this.#open) part.giveUp(error, nothing);
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
