/**
 * Operations of several rounds (collective ones, the making of communicators), each written once: a
 * generator that starts the sends and receives of a round, yields them, and goes on when all of them have
 * ended. It is run by a call that blocks, or by whatever makes progress.
 */
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { COMPLETE, FAILED, PENDING } from '../../messaging/operation.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { Parts, waitForParts } from '../point-to-point/parts.ts';
import type { Request } from '../point-to-point/request.ts';
import { StartedRequest } from '../point-to-point/started-request.ts';
import { Status } from '../point-to-point/status.ts';

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
export class ScheduledRequest<Result> extends StartedRequest<Result> {
  readonly owner: Endpoint;
  readonly length = 0;
  readonly isSend = false;
  readonly peer = ANY_SOURCE;
  readonly tag = ANY_TAG;
  state = PENDING;
  error: MpiError | null = null;
  #schedule: Schedule<Result> | null = null;
  #result: Result | undefined;
  readonly #listeners: (() => void)[] = [];

  /**
   * Begins with the first round, and goes as far as it can.
   * @param begin what it throws, a bad argument, is what the request fails with
   */
  constructor(owner: Endpoint, begin: () => Schedule<Result>) {
    super();
    this.owner = owner;
    this.#begin();
    this.#advance(begin);
  }

  #begin(): void {
    const { pair, engine } = this.owner;
    if (pair !== null) pair.uses++;
    engine.loop.track();
  }

  /** @param begin for the first time; after that the failure of the round that has ended, if it failed */
  #advance(begin: (() => Schedule<Result>) | MpiError | null): void {
    let failure = begin instanceof MpiError ? begin : null;
    try {
      if (typeof begin === 'function') this.#schedule = begin();
      const schedule = this.#schedule as Schedule<Result>;
      for (;;) {
        const step = failure === null ? schedule.next() : schedule.throw(failure);
        if (step.done === true) {
          this.#result = step.value;
          this.#end(COMPLETE);
          return;
        }
        const round = new Parts(step.value);
        if (!round.done) {
          // Not at once: whoever ends an operation may be in the middle of something.
          const { engine } = this.owner;
          round.ended = () => engine.later(() => this.#advance(round.error));
          return;
        }
        failure = round.error;
      }
    } catch (error) {
      this.error = inOurTerms(error);
      this.#end(FAILED);
    }
  }

  #end(state: number): void {
    const { pair, engine } = this.owner;
    this.state = state;
    if (pair !== null) pair.uses--;
    engine.loop.untrack();
    for (const listener of this.#listeners.splice(0)) listener();
  }

  /** An operation of several messages has no status of its own (MPI 4.1, 3.7.3: an empty one). */
  get status(): Status {
    return new Status();
  }

  get result(): Result {
    return this.#result as Result;
  }

  waitForEnd(): void {
    this.owner.engine.wait(this);
  }

  whenEnded(listener: () => void): void {
    if (this.state === PENDING) this.#listeners.push(listener);
    else listener();
  }
}

function inOurTerms(error: unknown): MpiError {
  if (error instanceof MpiError) return error;
  return new MpiError('ERR_INTERNAL', `a collective operation failed: ${error}`, { cause: error });
}
