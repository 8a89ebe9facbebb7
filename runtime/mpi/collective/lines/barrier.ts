/** Barrier (MPI 4.1, 6.3) in one round: every rank writes its line, and waits for those of all others. */
import { plainSignature, wordOf } from '../signature.ts';
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

/** Blocking barriers, one after the other. */
export class BarrierCalls {
  readonly #lines: Lines;
  readonly #slots: Slots;
  #operation: LineBarrier;

  constructor(lines: Lines) {
    this.#lines = lines;
    this.#slots = lines.slots;
    this.#operation = new LineBarrier(lines);
  }

  /** @throws MpiError ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED, ERR_MISMATCH, ERR_TIMEOUT, ERR_DEADLOCK */
  run(): void {
    const begun = this.#slots.runBarrier(CALL, LENGTH);
    if (begun !== ENDED) this.#finish(begun);
  }

  #finish(begun: number): void {
    const lines = this.#lines;
    const operation = this.#operation;
    if (begun === WRITTEN) lines.resume(operation);
    else lines.begin(operation);
    try {
      lines.finish(operation);
    } finally {
      // One that goes on without the program is an object of its own.
      if (!operation.isOver) this.#operation = new LineBarrier(lines);
    }
  }
}
