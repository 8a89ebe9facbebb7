/** Calls on control lines, those of a communicator or of one persistent operation: blocking, started, made again and again. */
import type { MpiError } from '../../../base/error.ts';
import type { StartedRequest } from '../../point-to-point/started-request.ts';
import type { Prepared } from '../prepared.ts';
import { runSync } from '../schedule.ts';
import { LINE_POLLS, type Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';
import { type LineBook, type LineCalls, type OnLines, RepeatedCall } from './repeated.ts';
import { LineRequest } from './request.ts';
import { RunningOnLines } from './running.ts';

export class CallsOnLines implements LineCalls {
  readonly book: LineBook;
  readonly lines: Lines;

  constructor(book: LineBook, lines: Lines) {
    this.book = book;
    this.lines = lines;
  }

  /** The same call, made again and again; null where what was made of it serves once. */
  repeatable<Result>(prepared: Prepared<Result>): RepeatedCall<Result> | null {
    const repeated = new RepeatedCall(this, prepared as Prepared<Result> & OnLines<Result>);
    return repeated.isReusable ? repeated : null;
  }

  /** Runs a call that was counted to its end, blocking the thread. */
  run<Result>(prepared: Prepared<Result>, operation: LineOperation, number: number): Result {
    this.begin(prepared, operation, number);
    return this.finish(prepared, operation, number);
  }

  /** Those who wait for one that cannot begin are told why. @throws MpiError why it cannot */
  begin(prepared: Prepared<unknown>, operation: LineOperation, number: number): void {
    const { book } = this;
    try {
      this.lines.begin(operation, book.before(number));
    } catch (error) {
      book.failed(book.callOf(prepared, number), error as MpiError);
      throw error;
    }
  }

  /** Ends a call that was begun, on lines, or by messages where the ranks have no memory for it. */
  finish<Result>(prepared: Prepared<Result>, operation: LineOperation, number: number): Result {
    const { lines } = this;
    lines.look(operation, LINE_POLLS);
    this.#watch(prepared, operation, number, true);
    lines.finish(operation);
    return operation.declined
      ? this.#finishByMessages(prepared, operation, number)
      : (prepared as OnLines<Result>).line.result();
  }

  #finishByMessages<Result>(
    prepared: Prepared<Result>,
    { running }: LineOperation,
    number: number,
  ): Result {
    const call = this.book.callOf(prepared, number);
    try {
      return runSync(prepared.schedule(call.tag), call);
    } finally {
      running?.leave(null);
    }
  }

  /** An operation on control lines that waits can ask what became of the call elsewhere. */
  #watch(
    prepared: Prepared<unknown>,
    operation: LineOperation,
    number: number,
    blocks: boolean,
  ): void {
    const { isOver, error } = operation;
    if (isOver && error === null) return;
    const { book } = this;
    const call = book.callOf(prepared, number);
    if (error !== null) {
      book.failed(call, error);
      return;
    }
    const running = new RunningOnLines(call, this.lines, operation, blocks);
    operation.watch(running);
    book.enter(running);
  }

  /** A call that was counted goes on as a request. @param written its line is there already */
  start<Result>(
    prepared: Prepared<Result>,
    operation: LineOperation,
    number: number,
    written = false,
  ): StartedRequest<Result> {
    const { lines, book } = this;
    const request = new LineRequest<Result>(lines, operation, {
      result: () => (prepared as OnLines<Result>).line.result(),
      byMessages: () => {
        const call = book.callOf(prepared, number);
        return { schedule: prepared.schedule(call.tag), call };
      },
    });
    if (written) lines.resume(operation);
    else this.begin(prepared, operation, number);
    request.goOn();
    this.#watch(prepared, operation, number, false);
    return request;
  }
}
