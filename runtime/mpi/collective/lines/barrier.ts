/** Barrier (MPI 4.1, 6.3) in one round: every rank writes its line, and waits for those of all others. */
import { plainSignature, type Signature } from '../signature.ts';
import type { Lines } from './lines.ts';
import { LineOperation } from './operation.ts';
import { ENDED, type Slots, WRITTEN } from './slots.ts';

/** What its lines say is called. */
const CALL = 1;

export class LineBarrier extends LineOperation {
  readonly name = 'barrier';
  override call = CALL;

  protected write(): void {}
  protected take(): void {}
}

const SIGNATURE = plainSignature('barrier');

/** Counts the calls of the communicator. */
interface LineCalls {
  count(signature: Signature): number;
  watch(operation: LineOperation, signature: Signature, number: number): void;
}

/** Blocking barriers, one after the other. */
export class BarrierCalls {
  readonly #calls: LineCalls;
  readonly #lines: Lines;
  readonly #slots: Slots;
  #operation: LineBarrier;

  constructor(calls: LineCalls, lines: Lines) {
    this.#calls = calls;
    this.#lines = lines;
    this.#slots = lines.slots;
    this.#operation = new LineBarrier(lines);
  }

  /** @throws MpiError ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED, ERR_MISMATCH, ERR_TIMEOUT, ERR_DEADLOCK */
  run(): void {
    const number = this.#calls.count(SIGNATURE);
    const begun = this.#slots.runBarrier(CALL);
    if (begun !== ENDED) this.#finish(begun, number);
  }

  #finish(begun: number, number: number): void {
    const lines = this.#lines;
    const operation = this.#operation;
    if (begun === WRITTEN) lines.resume(operation);
    else lines.begin(operation);
    this.#calls.watch(operation, SIGNATURE, number);
    try {
      lines.finish(operation);
    } finally {
      // One that goes on without the program is an object of its own.
      if (!operation.isOver) this.#operation = new LineBarrier(lines);
    }
  }
}
