/** A call on control lines that waits, as those know it who ask each other what became of a call. */
import type { MpiError } from '../../../base/error.ts';
import {
  type CallSite,
  callsOf,
  currentCalls,
  noteCallSite,
} from '../../../messaging/deadlock/call-site.ts';
import type { Call, Running } from '../call.ts';
import type { Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';

export class RunningOnLines implements Running {
  readonly call: Call;
  readonly #lines: Lines;
  readonly #operation: LineOperation;
  /** Where it was started; null: it blocks. */
  readonly site: CallSite | null;

  constructor(call: Call, lines: Lines, operation: LineOperation, blocks: boolean) {
    this.call = call;
    this.#lines = lines;
    this.#operation = operation;
    this.site = blocks ? null : noteCallSite();
  }

  abandon(error: MpiError): void {
    this.#lines.fail(error);
  }

  waitsFor(peer: number): boolean {
    // What the peer has done may be there by now, and the operation over: then others alone wait, those that are asked about next.
    this.#lines.poll();
    if (this.#operation.isOver) return false;
    return this.#lines.waitsOf(this.#operation).some(({ from }) => from.includes(peer));
  }

  place(): string {
    return this.site === null ? currentCalls() : callsOf(this.site);
  }

  /** Asks those whose lines are missing. */
  ask(): void {
    for (const { from } of this.#lines.waitsOf(this.#operation))
      for (const peer of from) this.call.book.askAbout(this.call, peer);
  }

  compare(member: number): void {
    this.call.book.compare(this.call, this.#lines.endpoint.members.worldOf(member));
  }

  /** It has ended. */
  leave(error: MpiError | null): void {
    this.call.book.leave(this);
    if (error !== null) this.call.book.failed(this.call, error);
  }
}
