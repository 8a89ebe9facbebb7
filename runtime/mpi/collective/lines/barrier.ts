/** Barrier (MPI 4.1, 6.3) in one round: every rank writes its line, and waits for those of all others. */
import { plainSignature, type Signature, wordOf } from '../signature.ts';
import type { Lines } from './lines.ts';
import { LineOperation } from './operation.ts';
import { ENDED, type Slots, WRITTEN } from './slots.ts';

const SIGNATURE = plainSignature('barrier');
const CALL = wordOf(SIGNATURE);
const LENGTH = SIGNATURE.count | 0;

export class LineBarrier extends LineOperation {
  constructor(lines: Lines) {
    super(lines, SIGNATURE);
  }

  protected write(): void {}
  protected take(): void {}
}

/** The calls of the communicator. */
interface LineCalls<Prepared> {
  count(signature: Signature, algorithm: number): number;
  beginOnLines(prepared: Prepared, operation: LineOperation, number: number): void;
  finish(prepared: Prepared, operation: LineOperation, number: number): void;
}

/** Blocking barriers, one after the other. */
export class BarrierCalls<Prepared extends { readonly algorithm: number }> {
  readonly #calls: LineCalls<Prepared>;
  readonly #prepared: Prepared;
  readonly #lines: Lines;
  readonly #slots: Slots;
  #operation: LineBarrier;

  constructor(calls: LineCalls<Prepared>, lines: Lines, prepared: Prepared) {
    this.#calls = calls;
    this.#prepared = prepared;
    this.#lines = lines;
    this.#slots = lines.slots;
    this.#operation = new LineBarrier(lines);
  }

  /** @throws MpiError ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED, ERR_MISMATCH, ERR_TIMEOUT, ERR_DEADLOCK */
  run(): void {
    const number = this.#calls.count(SIGNATURE, this.#prepared.algorithm);
    const begun = this.#slots.runBarrier(CALL, LENGTH, number);
    if (begun !== ENDED) this.#finish(begun, number);
  }

  #finish(begun: number, number: number): void {
    const operation = this.#operation;
    try {
      if (begun === WRITTEN) this.#lines.resume(operation, number);
      else this.#calls.beginOnLines(this.#prepared, operation, number);
      this.#calls.finish(this.#prepared, operation, number);
    } finally {
      // One that goes on without the program is an object of its own.
      if (!operation.isOver) this.#operation = new LineBarrier(this.#lines);
    }
  }
}
