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
import { LineNote } from './lines/note.ts';
import { LineRequest } from './lines/request.ts';
import { runSync, type Schedule, ScheduledRequest } from './schedule.ts';
import type { LineCall } from './select.ts';
import { CALL_NUMBERS, type Signature } from './signature.ts';

/** Collective calls of one communicator that may be under way at once in a rank; persistent ones that may exist. */
export const COLLECTIVES_MAX: number = CALL_NUMBERS - 1;

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

export class Calls implements CallBook {
  readonly endpoint: Endpoint;
  /** How many have begun; persistent ones that were made. */
  #begun = 0;
  #made = 0;
  /** The last ones, each in the place that its number has in turn. */
  readonly #last: Call[] = [];
  /** Persistent ones that were not freed, by their numbers in tags. */
  readonly #persistent = new Map<number, Call>();
  #lines: Lines | null | undefined = undefined;
  readonly #inquiries: Inquiries;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    const begun = () => this.#begun;
    this.#inquiries = new Inquiries({
      endpoint,
      get begun() {
        return begun();
      },
      hasBegun: (number) => (number > 0 ? number <= this.#begun : -number <= this.#made),
      find: (number) => this.#find(number),
    });
  }

  #find(number: number): Call | undefined {
    const call =
      number > 0
        ? this.#last[number % CALLS_REMEMBERED]
        : this.#persistent.get(-number % CALL_NUMBERS);
    return call?.number === number ? call : undefined;
  }

  /**
   * The next call: calls match in the order in which they are made, whatever order they come to their ends in.
   * @throws MpiError ERR_FINALIZED, ERR_CLOSED; ERR_MISMATCH where it is not what others call; ERR_NO_MEM where too many are under way
   */
  begin({ signature, algorithm }: Prepared<unknown>): Call {
    this.endpoint.checkAlive();
    if (this.#inquiries.open.size > 0) this.#checkNumbers();
    const number = ++this.#begun;
    const call = new Call(this, signature, number, algorithm);
    this.#last[number % CALLS_REMEMBERED] = call;
    if (this.#inquiries.attentive) this.#inquiries.begin(call);
    if (this.lines !== null) this.#note(this.lines, call);
    return call;
  }

  /** Those who make a call on control lines in place of this one see it there. @throws MpiError ERR_MISMATCH, ERR_PEER_FAILED */
  #note(lines: Lines, call: Call): void {
    const note = new LineNote(lines, call.signature);
    note.settled = () => {
      if (note.error !== null) this.#inquiries.open.get(call.number)?.abandon(note.error);
    };
    lines.begin(note);
    if (note.error !== null) throw note.error;
    call.note = note;
  }

  #checkNumbers(): void {
    for (const number of this.#inquiries.open.keys())
      if (number > 0) {
        if (this.#begun - number + 1 >= COLLECTIVES_MAX) throw tooMany(this.endpoint, 'under way');
        return;
      }
  }

  /** The control lines; null where the ranks have no memory in common. */
  get lines(): Lines | null {
    this.#lines ??= Lines.reach(this.endpoint) ? new Lines(this.endpoint) : null;
    return this.#lines;
  }

  /** Runs a call to its end, blocking the thread. */
  runSync<Result>(prepared: Prepared<Result>): Result {
    if (prepared.line !== undefined) return this.#runOnLines(prepared.line);
    const call = this.begin(prepared);
    return runSync(prepared.schedule(call.tag), call);
  }

  #runOnLines<Result>({ make, result }: LineCall<Result>): Result {
    const lines = this.lines as Lines;
    const operation = make(lines);
    lines.begin(operation);
    lines.finish(operation);
    return result();
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
    return new LineRequest(lines, line.make(lines), () => line.result());
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
    const error = running.call.note?.error ?? null;
    if (error !== null) running.abandon(error);
    else this.#inquiries.enter(running);
  }

  leave(running: Running): void {
    this.#inquiries.open.delete(running.call.number);
  }

  ask(running: Running, open: readonly Request[]): void {
    this.#inquiries.ask(running, open);
  }

  failed(call: Call, error: MpiError): void {
    this.#inquiries.failed(call, error);
    if (error.code === 'ERR_MISMATCH') this.lines?.refuse(error);
  }
}

function tooMany({ rank, name }: Endpoint, what: string): MpiError {
  return new MpiError(
    'ERR_NO_MEM',
    `${COLLECTIVES_MAX} collective operations of ${name} are ${what}: end some of them first, in their order`,
    { rank },
  );
}
