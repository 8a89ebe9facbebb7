/**
 * The collective calls of a communicator in this rank, in their order. Each is written once, as a schedule, and is run in
 * three ways: by a call that blocks, started, or again and again (persistent).
 */
import { MpiError } from '../../base/error.ts';
import type { Payload } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import { Call, type CallBook, type Running } from './call.ts';
import { CALLS_REMEMBERED, Inquiries } from './inquiries.ts';
import { Lines } from './lines/lines.ts';
import type { LineOperation } from './lines/operation.ts';
import { LineRequest } from './lines/request.ts';
import { RunningOnLines } from './lines/running.ts';
import { runSync, type Schedule, ScheduledRequest } from './schedule.ts';
import { CALL_NUMBERS, COLLECTIVES_MAX, type Signature } from './signature.ts';

/** A call whose arguments are checked, with views of its memory, and the algorithm that it takes. */
export interface Prepared<Result> {
  readonly signature: Signature;
  /** The place of the algorithm in its table; 0 where there is but one. */
  readonly algorithm: number;
  /** The program's memory: all of it has to be there whenever the call begins. */
  readonly memory: readonly Payload[];
  /** @param tag of its messages */
  schedule(tag: number): Schedule<Result>;
  /** The same without messages, where the ranks have memory in common. */
  readonly line?: LineCall<Result> | undefined;
}

/** A call on control lines. */
export interface LineCall<Result> {
  make(lines: Lines): LineOperation;
  result(): Result;
}

/** In place of the number of an algorithm of messages. */
const ON_LINES = 0;

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
    this.#lines ??= Lines.reach(this.endpoint) ? new Lines(this.endpoint) : null;
    return this.#lines;
  }

  /** The program has freed the communicator. */
  freeLines(): void {
    this.#lines?.free();
  }

  /**
   * The next call: calls match in the order in which they are made, whatever order they come to their ends in.
   * @throws MpiError ERR_FINALIZED, ERR_CLOSED; ERR_MISMATCH where it is not what others call; ERR_NO_MEM where too many are under way
   */
  begin({ signature, algorithm }: Prepared<unknown>): Call {
    this.endpoint.checkAlive();
    if (this.#inquiries.open.size > 0) this.#checkNumbers();
    return new Call(this, signature, this.count(signature, algorithm), algorithm);
  }

  /** Counts a call that may need no object: nobody asks about it, or this rank knows what it was. @returns its number */
  count(signature: Signature, algorithm = ON_LINES): number {
    const number = ++this.#begun;
    const place = number % CALLS_REMEMBERED;
    this.#signatures[place] = signature;
    this.#numbers[place] = number;
    this.#algorithms[place] = algorithm;
    if (this.#inquiries.attentive)
      this.#inquiries.begin(new Call(this, signature, number, algorithm));
    return number;
  }

  #checkNumbers(): void {
    for (const number of this.#inquiries.open.keys())
      if (number > 0) {
        if (this.#begun - number + 1 >= COLLECTIVES_MAX) throw tooMany(this.endpoint, 'under way');
        return;
      }
  }

  /** Runs a call to its end, blocking the thread. */
  runSync<Result>(prepared: Prepared<Result>): Result {
    if (prepared.line !== undefined) return this.#runOnLines(prepared, prepared.line);
    const call = this.begin(prepared);
    return runSync(prepared.schedule(call.tag), call);
  }

  #runOnLines<Result>({ signature }: Prepared<Result>, { make, result }: LineCall<Result>): Result {
    const lines = this.lines as Lines;
    const operation = make(lines);
    const number = this.count(signature);
    lines.begin(operation);
    this.watch(operation, signature, number);
    lines.finish(operation);
    return result();
  }

  /** An operation on control lines that waits can ask what became of the call elsewhere. */
  watch(operation: LineOperation, signature: Signature, number: number): void {
    if (operation.isOver) return;
    const call = new Call(this, signature, number, ON_LINES);
    const running = new RunningOnLines(call, this.lines as Lines, operation);
    operation.running = running;
    this.enter(running);
  }

  /** Starts a call, which whatever makes progress runs. What `prepare` throws, a bad argument, the request fails with. */
  start<Result>(prepare: () => Prepared<Result>): StartedRequest<Result> {
    let prepared: Prepared<Result>;
    try {
      prepared = prepare();
    } catch (error) {
      return ScheduledRequest.of(this.endpoint, () => {
        throw error;
      });
    }
    const { line } = prepared;
    if (line === undefined) return this.#startMessages(prepared);
    const lines = this.lines as Lines;
    const operation = line.make(lines);
    try {
      const number = this.count(prepared.signature);
      const request = new LineRequest(lines, operation, () => line.result());
      this.watch(operation, prepared.signature, number);
      return request;
    } catch (error) {
      return ScheduledRequest.of(this.endpoint, () => {
        throw error;
      });
    }
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
    this.#inquiries.open.delete(running.call.number);
  }

  ask(running: Running, open: readonly Request[]): void {
    this.#inquiries.ask(running, open);
  }

  askAbout(call: Call, peer: number): void {
    this.#inquiries.askOne(call, peer);
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
