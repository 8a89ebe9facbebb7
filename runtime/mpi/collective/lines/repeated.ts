/** Blocking calls on control lines, one after the other, of the same operation on the same memory: they need no new objects. */
import type { Prepared } from '../prepared.ts';
import type { LineCall } from '../select.ts';
import type { Signature } from '../signature.ts';
import type { Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';
import { ENDED, NOT_BEGUN, type Slots, WRITTEN } from './slots.ts';

/** The calls of the communicator. */
interface LineCalls {
  count(signature: Signature, algorithm: number): number;
  beginOnLines(prepared: Prepared<unknown>, operation: LineOperation, number: number): void;
  finish(prepared: Prepared<unknown>, operation: LineOperation, number: number): unknown;
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
  get isShort(): boolean {
    return this.#operation.isShort;
  }

  /** The ranks have agreed to go by messages. */
  get refused(): boolean {
    return this.#lines.refused;
  }

  /** @throws MpiError ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED, ERR_MISMATCH, ERR_TIMEOUT, ERR_DEADLOCK */
  run(): Result {
    const { signature, algorithm } = this.#prepared;
    const number = this.#calls.count(signature, algorithm);
    const operation = this.#operation;
    const mayRun = !operation.needsAreas || this.#lines.hasAreas;
    const begun = mayRun ? this.#slots.runRound(operation, number) : NOT_BEGUN;
    return begun === ENDED ? this.#line.result() : this.#finish(begun, number);
  }

  #finish(begun: number, number: number): Result {
    const operation = this.#operation;
    try {
      if (begun === WRITTEN) this.#lines.resume(operation, number);
      else this.#calls.beginOnLines(this.#prepared, operation, number);
      return this.#calls.finish(this.#prepared, operation, number) as Result;
    } finally {
      // One that goes on without the program is an object of its own.
      if (!operation.isOver) this.#operation = this.#line.make(this.#lines);
    }
  }
}
