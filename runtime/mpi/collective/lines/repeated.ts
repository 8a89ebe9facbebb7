/** Calls on control lines, one after the other, of the same operation on the same memory: they need no new objects. */

import type { StartedRequest } from '../../point-to-point/started-request.ts';
import type { Prepared } from '../prepared.ts';
import type { LineCall } from '../select.ts';
import type { Signature } from '../signature.ts';
import type { Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';
import { EndedCall } from './request.ts';
import { ENDED, LINE_LOOKS, NOT_BEGUN, type Slots, WRITTEN } from './slots.ts';

/** Looks at lines that are not there before a started call leaves the rest to whoever makes progress. */
const START_LOOKS = 400;

/** The calls of the communicator. */
interface LineCalls {
  count(signature: Signature, algorithm: number): number;
  before(number: number): number;
  beginOnLines(prepared: Prepared<unknown>, operation: LineOperation, number: number): void;
  finish(prepared: Prepared<unknown>, operation: LineOperation, number: number): unknown;
  startOnLines(
    prepared: Prepared<unknown>,
    operation: LineOperation,
    number: number,
    written: boolean,
  ): StartedRequest<unknown>;
}

export class RepeatedCall<Result> {
  readonly #calls: LineCalls;
  readonly #prepared: Prepared<Result>;
  readonly #line: LineCall<Result>;
  readonly #lines: Lines;
  readonly #slots: Slots;
  #operation: LineOperation;

  constructor(
    calls: LineCalls,
    lines: Lines,
    prepared: Prepared<Result> & { readonly line: LineCall<Result> },
  ) {
    this.#calls = calls;
    this.#prepared = prepared;
    this.#line = prepared.line;
    this.#lines = lines;
    this.#slots = lines.slots;
    this.#operation = prepared.line.make(lines);
  }

  /** Whether an operation is one that this is for. */
  get isReusable(): boolean {
    return this.#operation.isReusable;
  }

  /** The ranks have agreed to go by messages. */
  get refused(): boolean {
    return this.#lines.refused;
  }

  /**
   * Blocks until it has ended.
   * @throws MpiError ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED, ERR_MISMATCH, ERR_TIMEOUT, ERR_DEADLOCK
   */
  run(): Result {
    const { signature, algorithm } = this.#prepared;
    const number = this.#calls.count(signature, algorithm);
    const begun = this.#begin(number, LINE_LOOKS);
    return begun === ENDED ? this.#line.result() : this.#finish(begun, number);
  }

  /** Starts it; it may have ended at once. */
  start(): StartedRequest<Result> {
    const { signature, algorithm } = this.#prepared;
    const number = this.#calls.count(signature, algorithm);
    const begun = this.#begin(number, START_LOOKS);
    if (begun === ENDED) return new EndedCall(this.#lines.endpoint, this.#line.result());
    const operation = this.#operation;
    const written = begun === WRITTEN;
    return this.#calls.startOnLines(
      this.#prepared,
      operation,
      number,
      written,
    ) as StartedRequest<Result>;
  }

  #begin(number: number, looks: number): number {
    // One that was started before may be under way.
    if (!this.#operation.isOver) this.#operation = this.#line.make(this.#lines);
    const operation = this.#operation;
    const mayRun = operation.rounds === 1 && (!operation.needsAreas || this.#lines.hasAreas);
    return mayRun ? this.#slots.runRound(operation, this.#calls.before(number), looks) : NOT_BEGUN;
  }

  #finish(begun: number, number: number): Result {
    const operation = this.#operation;
    if (begun === WRITTEN) this.#lines.resume(operation);
    else this.#calls.beginOnLines(this.#prepared, operation, number);
    return this.#calls.finish(this.#prepared, operation, number) as Result;
  }
}
