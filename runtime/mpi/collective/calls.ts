/**
 * The collective calls of a communicator in this rank, in their order. Each is written once, as a schedule, and is run in
 * three ways: by a call that blocks, started, or again and again (persistent).
 */
import { MpiError } from '../../base/error.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import { Call, type CallBook, type Running } from './call.ts';
import { CALLS_COMPARED, CALLS_REMEMBERED, Inquiries } from './inquiries.ts';
import { KeptCalls } from './kept-calls.ts';
import { LINE_POLLS, Lines } from './lines/lines.ts';
import type { LineOperation } from './lines/operation.ts';
import { RepeatedCall } from './lines/repeated.ts';
import { LineRequest } from './lines/request.ts';
import { RunningOnLines } from './lines/running.ts';
import { withCall } from './lines/slots.ts';
import type { Prepared } from './prepared.ts';
import { runSync, ScheduledRequest } from './schedule.ts';
import type { LineCall } from './select.ts';
import { CALL_NUMBERS, COLLECTIVES_MAX, otherThan, type Signature, wordOf } from './signature.ts';

/** What makes a call of its arguments. @throws MpiError where one is bad */
type Preparing<Result> = (
  endpoint: Endpoint,
  a: never,
  b: never,
  c: never,
  d: never,
) => Prepared<Result>;

export class Calls implements CallBook {
  readonly endpoint: Endpoint;
  readonly endpoints: readonly Endpoint[];
  /** How many have begun; persistent ones that were made. */
  #begun = 0;
  #made = 0;
  /** The last ones, each in the place that its number has in turn. */
  readonly #signatures: Signature[] = [];
  readonly #numbers: number[] = [];
  readonly #algorithms: number[] = [];
  /** Persistent ones that were not freed, by their numbers in tags. */
  readonly #persistent = new Map<number, Call>();
  readonly #inquiries: Inquiries;
  #lines: Lines | null | undefined = undefined;
  /** Of all calls that go by messages, though they could go on lines. */
  #byMessages = 0;
  readonly #kept = new KeptCalls((prepared) => this.repeatable(prepared));

  /** @param local of an intercommunicator: the group's own */
  constructor(endpoint: Endpoint, local: Endpoint | null = null) {
    this.endpoint = endpoint;
    this.endpoints = local === null ? [endpoint] : [endpoint, local];
    const begun = () => this.#begun;
    this.#inquiries = new Inquiries({
      endpoint,
      endpoints: this.endpoints,
      get begun() {
        return begun();
      },
      hasBegun: (number) => (number > 0 ? number <= this.#begun : -number <= this.#made),
      find: (number) => this.#find(number),
    });
  }

  #find(number: number): Call | undefined {
    if (number < 0) {
      const call = this.#persistent.get(-number % CALL_NUMBERS);
      return call?.number === number ? call : undefined;
    }
    const place = number % CALLS_REMEMBERED;
    if (this.#numbers[place] !== number) return undefined;
    return new Call(this, this.#signatures[place], number, this.#algorithms[place]);
  }

  /** The control lines; null where the ranks have no memory in common. */
  get lines(): Lines | null {
    if (this.#lines === undefined)
      this.#lines = Lines.reach(this.endpoint) ? new Lines(this.endpoint) : null;
    return this.#lines;
  }

  /** The control lines, where a call goes on them; null: it goes by messages. All ranks of a call get the same answer. */
  linesFor(line: LineCall<unknown> | undefined): Lines | null {
    if (line === undefined) return null;
    const { lines } = this;
    return lines === null || lines.refused || (lines.crowded && !line.inCrowd) ? null : lines;
  }

  /** The program has freed the communicator. */
  freeLines(): void {
    this.#lines?.free();
  }

  /**
   * The next call: calls match in the order in which they are made, whatever order they come to their ends in.
   * @throws MpiError ERR_FINALIZED, ERR_CLOSED; ERR_MISMATCH where it is not what others call; ERR_NO_MEM where too many are under way
   */
  begin({ signature, algorithm, line }: Prepared<unknown>): Call {
    this.endpoint.checkAlive();
    // Of other calls not all ranks need agree: those of neighbours.
    if (line !== undefined)
      this.#byMessages = withCall(this.#byMessages, wordOf(signature), signature.count | 0);
    const call = new Call(this, signature, this.count(signature, algorithm), algorithm);
    this.#lookBack(call);
    return call;
  }

  /** A call by messages tells nothing of calls on lines that nobody had to read: of two roots of one broadcast. */
  #lookBack(call: Call): void {
    const other = this.#lines?.findOther() ?? -1;
    if (other >= 0) this.compare(call, this.endpoint.members.worldOf(other));
  }

  /**
   * Counts a call that may need no object: nobody asks about it, or this rank knows what it was.
   * @param algorithm by which it goes, or would go without lines: ranks may not know yet which of both
   * @returns its number
   */
  count(signature: Signature, algorithm: number): number {
    if (this.#inquiries.open.size > 0) this.#checkNumbers();
    const number = ++this.#begun;
    const place = number % CALLS_REMEMBERED;
    this.#signatures[place] = signature;
    this.#numbers[place] = number;
    this.#algorithms[place] = algorithm;
    if (this.#inquiries.attentive)
      this.#inquiries.begin(new Call(this, signature, number, algorithm));
    return number;
  }

  /**
   * What the lines of a call say of those before it. A message that nobody receives shows a mismatch as well, but a
   * rank may look at it when the call is remembered no more.
   */
  before(number: number): number {
    return (number + this.#byMessages) | 0;
  }

  #checkNumbers(): void {
    for (const number of this.#inquiries.open.keys())
      if (number > 0) {
        if (this.#begun - number + 1 >= COLLECTIVES_MAX) throw tooMany(this.endpoint, 'under way');
        return;
      }
  }

  /**
   * Runs a call to its end, blocking the thread.
   * @param prepare makes it of its arguments, unless it is one that was made before; always the same function for an operation
   */
  block<Result>(
    prepare: Preparing<Result>,
    a: unknown,
    b?: unknown,
    c?: unknown,
    d?: unknown,
  ): Result {
    const kept = this.#kept.find(prepare, a, b, c, d);
    if (kept !== null) return kept.run() as Result;
    const prepared = prepare(this.endpoint, a as never, b as never, c as never, d as never);
    const operation = this.#operationOf(prepared);
    if (operation?.isReusable === true) this.#kept.note(prepared, prepare, a, b, c, d);
    return this.#run(prepared, operation);
  }

  /** The same call, made again and again; null where it goes by messages, or what was made of it serves once. */
  repeatable<Result>(prepared: Prepared<Result>): RepeatedCall<Result> | null {
    const { line } = prepared;
    const lines = this.linesFor(line);
    if (line === undefined || lines === null) return null;
    const repeated = new RepeatedCall(this, lines, { ...prepared, line });
    return repeated.isReusable ? repeated : null;
  }

  /** The call on control lines; null where it goes by messages. */
  #operationOf({ line }: Prepared<unknown>): LineOperation | null {
    const lines = this.linesFor(line);
    return line === undefined || lines === null ? null : line.make(lines);
  }

  /** Runs a call to its end, blocking the thread. */
  runSync<Result>(prepared: Prepared<Result>): Result {
    return this.#run(prepared, this.#operationOf(prepared));
  }

  #run<Result>(prepared: Prepared<Result>, operation: LineOperation | null): Result {
    if (operation === null) {
      const call = this.begin(prepared);
      return runSync(prepared.schedule(call.tag), call);
    }
    const number = this.#numberOf(prepared);
    this.beginOnLines(prepared, operation, number);
    return this.finish(prepared, operation, number);
  }

  /** Begins a call that was counted; those who wait for one that cannot begin are told why. @throws MpiError why it cannot */
  beginOnLines(prepared: Prepared<unknown>, operation: LineOperation, number: number): void {
    try {
      (this.lines as Lines).begin(operation, this.before(number));
    } catch (error) {
      this.failed(this.#callOf(prepared, number), error as MpiError);
      throw error;
    }
  }

  /** Ends a call that was begun, on lines, or by messages where the ranks have no memory for it. */
  finish<Result>(prepared: Prepared<Result>, operation: LineOperation, number: number): Result {
    const lines = this.lines as Lines;
    lines.look(operation, LINE_POLLS);
    this.#watch(prepared, operation, number, true);
    lines.finish(operation);
    return operation.declined
      ? this.#finishByMessages(prepared, operation, number)
      : (prepared.line as LineCall<Result>).result();
  }

  #callOf({ signature, algorithm }: Prepared<unknown>, number: number): Call {
    return new Call(this, signature, number, algorithm);
  }

  #finishByMessages<Result>(
    prepared: Prepared<Result>,
    { running }: LineOperation,
    number: number,
  ): Result {
    const call = this.#callOf(prepared, number);
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
    const call = this.#callOf(prepared, number);
    if (error !== null) {
      this.failed(call, error);
      return;
    }
    const running = new RunningOnLines(call, this.lines as Lines, operation, blocks);
    operation.watch(running);
    this.enter(running);
  }

  /** Starts a call, which whatever makes progress runs. What `prepare` throws, a bad argument, the request fails with. */
  start<Result>(prepare: () => Prepared<Result>): StartedRequest<Result> {
    // One function below another is a line less of the program's in what is told where the call never ends.
    try {
      const prepared = prepare();
      const operation = this.#operationOf(prepared);
      return operation === null
        ? this.#startMessages(prepared)
        : this.startOnLines(prepared, operation, this.#numberOf(prepared));
    } catch (error) {
      return this.#failing(error);
    }
  }

  startAgain<Result>(repeated: RepeatedCall<Result>): StartedRequest<Result> {
    try {
      return repeated.start();
    } catch (error) {
      return this.#failing(error);
    }
  }

  /** {@link start} of a call with these arguments, as {@link block}. */
  startCall<Result>(
    prepare: Preparing<Result>,
    a: unknown,
    b?: unknown,
    c?: unknown,
    d?: unknown,
  ): StartedRequest<Result> {
    try {
      const kept = this.#kept.find(prepare, a, b, c, d);
      if (kept !== null) return (kept as RepeatedCall<Result>).start();
      const prepared = prepare(this.endpoint, a as never, b as never, c as never, d as never);
      const operation = this.#operationOf(prepared);
      if (operation === null) return this.#startMessages(prepared);
      if (operation.isReusable) this.#kept.note(prepared, prepare, a, b, c, d);
      return this.startOnLines(prepared, operation, this.#numberOf(prepared));
    } catch (error) {
      return this.#failing(error);
    }
  }

  #failing<Result>(error: unknown): StartedRequest<Result> {
    return ScheduledRequest.of<Result>(this.endpoint, () => {
      throw error;
    });
  }

  /** The number of a call on lines that begins. */
  #numberOf({ signature, algorithm }: Prepared<unknown>): number {
    this.endpoint.checkAlive();
    return this.count(signature, algorithm);
  }

  /** A call that was counted goes on as a request. @param written its line is there already */
  startOnLines<Result>(
    prepared: Prepared<Result>,
    operation: LineOperation,
    number: number,
    written = false,
  ): StartedRequest<Result> {
    const lines = this.lines as Lines;
    const request = new LineRequest<Result>(lines, operation, {
      result: () => (prepared.line as LineCall<Result>).result(),
      byMessages: () => {
        const call = this.#callOf(prepared, number);
        return { schedule: prepared.schedule(call.tag), call };
      },
    });
    if (written) lines.resume(operation);
    else this.beginOnLines(prepared, operation, number);
    request.goOn();
    this.#watch(prepared, operation, number, false);
    return request;
  }

  #startMessages<Result>(prepared: Prepared<Result>): StartedRequest<Result> {
    const request = new ScheduledRequest<Result>(this.endpoint);
    request.begin(() => {
      const call = this.begin(prepared);
      return { schedule: prepared.schedule(call.tag), call };
    });
    return request;
  }

  /**
   * A persistent call; its rounds bear the same number, and each ends before the next begins.
   * @throws MpiError ERR_FINALIZED, ERR_CLOSED; ERR_NO_MEM where there are too many
   */
  make({ signature, algorithm }: Prepared<unknown>): Call {
    this.endpoint.checkAlive();
    const place = (this.#made + 1) % CALL_NUMBERS;
    if (this.#persistent.has(place))
      throw tooMany(this.endpoint, 'made as persistent ones and not freed');
    const call = new Call(this, signature, -++this.#made, algorithm);
    this.#persistent.set(place, call);
    if (this.#inquiries.attentive) this.#inquiries.begin(call);
    return call;
  }

  /** A persistent call is freed. */
  free(call: Call): void {
    const place = -call.number % CALL_NUMBERS;
    if (this.#persistent.get(place) === call) this.#persistent.delete(place);
  }

  enter(running: Running): void {
    this.#inquiries.enter(running);
  }

  leave(running: Running): void {
    this.#inquiries.leave(running);
  }

  ask(running: Running, open: readonly Request[]): void {
    this.#inquiries.ask(running, open);
  }

  askAbout(call: Call, peer: number): void {
    this.#inquiries.askOne(call, peer);
  }

  /** A rank of the world has made another call in place of this one, or of one before it: it is asked about all of them. */
  compare(call: Call, peer: number): void {
    for (let number = call.number - CALLS_COMPARED + 1; number < call.number; number++) {
      const before = number > 0 ? this.#find(number) : undefined;
      if (before !== undefined) this.#inquiries.askOne(before, peer);
    }
    this.#inquiries.askOne(call, peer, otherThan(call.tag));
  }

  failed(call: Call, error: MpiError): void {
    this.#inquiries.failed(call, error);
  }
}

function tooMany({ rank, name }: Endpoint, what: string): MpiError {
  return new MpiError(
    'ERR_NO_MEM',
    `${COLLECTIVES_MAX} collective operations of ${name} are ${what}: end some of them first, in their order`,
    { rank },
  );
}
