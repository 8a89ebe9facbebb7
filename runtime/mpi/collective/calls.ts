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
import { CallsOnLines } from './lines/calls-on-lines.ts';
import { Lines } from './lines/lines.ts';
import type { LineOperation } from './lines/operation.ts';
import type { LineBook, RepeatedCall } from './lines/repeated.ts';
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

export class Calls implements CallBook, LineBook {
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
  #onLines: CallsOnLines | null | undefined = undefined;
  /** Those of persistent calls that were not freed. */
  readonly #ofPersistent = new Set<Lines>();
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
    if (this.#onLines === undefined)
      this.#onLines = Lines.reach(this.endpoint)
        ? new CallsOnLines(this, new Lines(this.endpoint))
        : null;
    return this.#onLines?.lines ?? null;
  }

  /** The control lines, where a call goes on them; null: it goes by messages. All ranks of a call get the same answer. */
  linesFor(line: LineCall<unknown> | undefined): Lines | null {
    if (line === undefined) return null;
    const { lines } = this;
    return lines === null || lines.refused || (lines.crowded && !line.inCrowd) ? null : lines;
  }

  /** The program has freed the communicator. */
  freeLines(): void {
    this.#onLines?.lines.free();
    for (const lines of this.#ofPersistent) lines.free();
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
    const other = this.#onLines?.lines.findOther() ?? -1;
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
    if (this.linesFor(prepared.line) === null) return null;
    return (this.#onLines as CallsOnLines).repeatable(prepared);
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
    return (this.#onLines as CallsOnLines).run(prepared, operation, this.#numberOf(prepared));
  }

  callOf({ signature, algorithm }: Prepared<unknown>, number: number): Call {
    return new Call(this, signature, number, algorithm);
  }

  /** Starts a call, which whatever makes progress runs. What `prepare` throws, a bad argument, the request fails with. */
  start<Result>(prepare: () => Prepared<Result>): StartedRequest<Result> {
    // One function below another is a line less of the program's in what is told where the call never ends.
    try {
      const prepared = prepare();
      const operation = this.#operationOf(prepared);
      return operation === null
        ? this.#startMessages(prepared)
        : this.#startOnLines(prepared, operation);
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
      return this.#startOnLines(prepared, operation);
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

  #startOnLines<Result>(
    prepared: Prepared<Result>,
    operation: LineOperation,
  ): StartedRequest<Result> {
    const number = this.#numberOf(prepared);
    return (this.#onLines as CallsOnLines).start(prepared, operation, number);
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

  /**
   * Control lines of a persistent call's own: the ranks may start theirs in any order. Null where it goes by messages; all
   * ranks get the same answer.
   */
  linesOf(call: Call, line: LineCall<unknown> | undefined): Lines | null {
    const { lines: own, endpoint } = this;
    if (line === undefined || own === null || (own.crowded && !line.inCrowd)) return null;
    if (!Lines.canName(endpoint, -call.number)) return null;
    const lines = new Lines(endpoint, 0, -call.number);
    this.#ofPersistent.add(lines);
    return lines;
  }

  /** A persistent call is freed. */
  free(call: Call, lines: Lines | null): void {
    const place = -call.number % CALL_NUMBERS;
    if (this.#persistent.get(place) === call) this.#persistent.delete(place);
    if (lines === null) return;
    this.#ofPersistent.delete(lines);
    lines.free();
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
