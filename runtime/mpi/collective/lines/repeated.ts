/** Calls on control lines, one after the other, of the same operation on the same memory: they need no new objects. */

import type { MpiError } from '../../../base/error.ts';
import type { Endpoint } from '../../point-to-point/endpoint.ts';
import type { StartedRequest } from '../../point-to-point/started-request.ts';
import type { Call, Running } from '../call.ts';
import type { Prepared } from '../prepared.ts';
import type { LineCall } from '../select.ts';
import type { Signature } from '../signature.ts';
import type { Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';
import { EndedCall } from './request.ts';
import { ENDED, LINE_LOOKS, NOT_BEGUN, type Slots, WRITTEN } from './slots.ts';

/** Looks at lines that are not there before a started call leaves the rest to whoever makes progress. */
const START_LOOKS = 400;

/** What calls on lines need of those that have begun in this rank. */
export interface LineBook {
  readonly endpoint: Endpoint;
  /** One more. @returns its number */
  count(signature: Signature, algorithm: number): number;
  /** What the lines of a call say of those before it. */
  before(number: number): number;
  callOf(prepared: Prepared<unknown>, number: number): Call;
  /** A call has to wait. */
  enter(running: Running): void;
  failed(call: Call, error: MpiError): void;
}

/** What can go on lines. */
export interface OnLines<Result> {
  readonly line: LineCall<Result>;
}

/** Calls on the same lines. */
export interface LineCalls {
  readonly book: LineBook;
  readonly lines: Lines;
  begin(prepared: Prepared<unknown>, operation: LineOperation, number: number): void;
  finish<Result>(prepared: Prepared<Result>, operation: LineOperation, number: number): Result;
  start<Result>(
    prepared: Prepared<Result>,
    operation: LineOperation,
    number: number,
    written: boolean,
  ): StartedRequest<Result>;
}

export class RepeatedCall<Result> {
  readonly #calls: LineCalls;
  readonly #book: LineBook;
  readonly #prepared: Prepared<Result>;
  readonly #line: LineCall<Result>;
  readonly #lines: Lines;
  readonly #slots: Slots;
  #operation: LineOperation;

  constructor(calls: LineCalls, prepared: Prepared<Result> & OnLines<Result>) {
    const { lines, book } = calls;
    this.#calls = calls;
    this.#book = book;
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
    const number = this.#book.count(signature, algorithm);
    const begun = this.#begin(number, LINE_LOOKS);
    return begun === ENDED ? this.#line.result() : this.#finish(begun, number);
  }

  /** Starts it; it may have ended at once. */
  start(): StartedRequest<Result> {
    const { signature, algorithm } = this.#prepared;
    const number = this.#book.count(signature, algorithm);
    const begun = this.#begin(number, START_LOOKS);
    if (begun === ENDED) return new EndedCall(this.#lines.endpoint, this.#line.result());
    const operation = this.#operation;
    const written = begun === WRITTEN;
    return this.#calls.start(this.#prepared, operation, number, written);
  }

  #begin(number: number, looks: number): number {
    // One that was started before may be under way.
    if (!this.#operation.isOver) this.#operation = this.#line.make(this.#lines);
    const operation = this.#operation;
    const mayRun = operation.rounds === 1 && (!operation.needsAreas || this.#lines.hasAreas);
    return mayRun ? this.#slots.runRound(operation, this.#book.before(number), looks) : NOT_BEGUN;
  }

  #finish(begun: number, number: number): Result {
    const operation = this.#operation;
    if (begun === WRITTEN) this.#lines.resume(operation);
    else this.#calls.begin(this.#prepared, operation, number);
    return this.#calls.finish(this.#prepared, operation, number);
  }
}
