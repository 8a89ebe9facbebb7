/**
 * What ranks ask each other about a collective call that does not end (docs/internals/collectives.md#mismatch). A rank that has
 * waited a while asks those it waits for, once. Each of them answers as soon as it knows that the call can never end: because it
 * makes another call in its place, has ended it without what the other waits for, or has failed in it.
 */
import { MpiError } from '../../base/error.ts';
import { currentCalls } from '../../messaging/deadlock/call-site.ts';
import {
  answerWords,
  callText,
  callWords,
  questionWords,
} from '../../messaging/matching/call-questions.ts';
import type { CallListener, CallQuestion } from '../../messaging/matching/context.ts';
import { PENDING } from '../../messaging/operation.ts';
import { ASK_CALL, CALL_FREED, TELL_CALL } from '../../messaging/wire.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import type { Call, Running } from './call.ts';
import { callAt, FAILED_THERE, MISMATCHED, mismatch, mismatchText, OVER } from './mismatch.ts';
import {
  belongsTo,
  callInWords,
  hasOwnTypes,
  isOfOtherCall,
  numberNear,
  operationOfTag,
} from './signature.ts';

/** Calls of which a rank knows what they were after they have ended: a quarter of the numbers that their messages can bear. */
export const CALLS_REMEMBERED = 256;
/** Those before a call that is not the same at two ranks, about which one of them asks: one of these may be where they parted. */
export const CALLS_COMPARED = 16;

/** What the calls of a communicator are in this rank. */
interface Ledger {
  readonly endpoint: Endpoint;
  /** That, and of an intercommunicator the group's own. */
  readonly endpoints: readonly Endpoint[];
  /** How many calls have begun. */
  readonly begun: number;
  /** Whether the call of this number has begun, or, if it is a persistent one, was made. */
  hasBegun(number: number): boolean;
  /** Undefined where it ended long ago. */
  find(number: number): Call | undefined;
}

interface Early {
  readonly tag: number;
  readonly peer: number;
  others: Map<number, number> | null;
}

export class Inquiries implements CallListener {
  readonly #ledger: Ledger;
  /** The last question that this rank had asked when the communicator was made. */
  readonly #before: number;
  /** Calls that wait, by their numbers. */
  readonly open = new Map<number, Running>();
  /** Of others that wait for this rank. */
  readonly #questions: CallQuestion[];
  /** Calls that failed here, by their numbers. */
  readonly #failures = new Map<number, MpiError>();
  /** Of calls to come, whose messages have come: their tag, who sent the first one, and those of other tags. */
  #early: Map<number, Early> | null = null;
  /** The number of the call that begins at this moment. */
  #beginning = 0;
  /** What is told of calls that do not fit together, by their numbers. */
  readonly #mismatches = new Map<number, string>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#before = ledger.endpoint.engine.questions.last;
    this.#questions = ledger.endpoints.flatMap(({ library }) => library.questions.splice(0));
    for (const { library } of ledger.endpoints) library.calls = this;
  }

  /** A call has to wait. One that can never end is told so at once. */
  enter(running: Running): void {
    const { number } = running.call;
    const why = this.#mismatches.size === 0 ? undefined : this.#mismatchOf(number);
    if (why !== undefined) running.abandon(mismatch(why, this.#rank));
    else this.open.set(number, running);
  }

  /** A call waits no more, unless it goes on in another way. */
  leave(running: Running): void {
    const { number } = running.call;
    if (this.open.get(number) === running) this.open.delete(number);
  }

  /** A message came that no receive waits for: it may be of a call that is not ours. */
  onUnexpected(peer: number, tag: number): void {
    if (hasOwnTypes(operationOfTag(tag))) this.#askAgain(tag);
    const { begun } = this.#ledger;
    const number = numberNear(tag, begun);
    if (number === null) return;
    if (number > begun) {
      this.#early ??= new Map();
      const before = this.#early.get(number);
      // Usually all messages of a call bear one tag.
      if (before === undefined) this.#early.set(number, { tag, peer, others: null });
      else if (before.tag !== tag) {
        before.others ??= new Map();
        before.others.set(peer, tag);
      }
      return;
    }
    const call = this.#ledger.find(number);
    if (call !== undefined && !belongsTo(tag, call.tag)) this.askOne(call, peer);
  }

  /** A call that has asked may have been too early to see a block of another type. */
  #askAgain(tag: number): void {
    for (const running of this.open.values())
      if (isOfOtherCall(tag, running.call.tag)) running.askAgain?.();
  }

  /** Messages of a call that begins now have come before. */
  #lookAtEarly(call: Call): void {
    const early = this.#early?.get(call.number);
    if (early === undefined) return;
    this.#early?.delete(call.number);
    if (!belongsTo(early.tag, call.tag)) this.askOne(call, early.peer);
    for (const [peer, tag] of early.others ?? [])
      if (!belongsTo(tag, call.tag)) this.askOne(call, peer);
  }

  /** A call begins that somebody has asked about, or after a mismatch. */
  get attentive(): boolean {
    if (this.#early !== null && this.#early.size > 0) return true;
    return this.#questions.length > 0 || this.#mismatches.size > 0;
  }

  /** @throws MpiError ERR_MISMATCH where this call, or an earlier one, is not what others call */
  begin(call: Call): void {
    this.#beginning = call.number;
    try {
      this.#look(call);
    } finally {
      this.#beginning = 0;
    }
    for (const text of this.#mismatches.values()) throw mismatch(text, this.#rank);
  }

  #look(call: Call): void {
    this.#lookAtEarly(call);
    for (const question of this.#questions.splice(0))
      if (this.#isToCome(question, call)) this.#questions.push(question);
      else this.onAsked(question);
  }

  /** Whether there is no answer yet: the call is the same one here, and has not ended. */
  #isToCome({ number, tag }: CallQuestion, beginning: Call): boolean {
    if (number === beginning.number) return tag === beginning.tag;
    return !this.#ledger.hasBegun(number) || this.open.has(number);
  }

  /** Why a call has no end because calls did not fit together: it is one of these, or behind one. */
  #mismatchOf(number: number): string | undefined {
    for (const [its, text] of this.#mismatches)
      if (number === its || (its > 0 && number > its) || !this.#ledger.hasBegun(number))
        return text;
    return undefined;
  }

  get #rank(): number {
    return this.#ledger.endpoint.engine.rank;
  }

  /** Asks all of whom this rank waits for. */
  ask(running: Running, waited: readonly Request[]): void {
    const { call } = running;
    for (const part of waited) {
      if (!part.isSend && this.#hasOther(part.peer, call, part.tag))
        this.#break(call.number, this.#otherType(call, part.peer));
      if (part.state !== PENDING) return;
    }
    const asked = new Set<number>();
    for (const part of waited) {
      const { peer } = part;
      if (peer === this.#rank || asked.has(peer) || !running.waitsFor(peer)) continue;
      asked.add(peer);
      this.askOne(call, peer, call.tag, this.#endpointOf(part));
    }
  }

  /** In which a part of a call is sent or received. */
  #endpointOf({ context }: Request): Endpoint {
    const { endpoints, endpoint } = this.#ledger;
    return endpoints.find((one) => one.context + 1 === context) ?? endpoint;
  }

  #memberIn(peer: number): Endpoint {
    const { endpoints, endpoint } = this.#ledger;
    return endpoints.find((one) => one.rankOf(peer) >= 0) ?? endpoint;
  }

  /** Where in the program a call is. */
  #placeOf({ number }: Call): string {
    if (number === this.#beginning) return currentCalls();
    return this.open.get(number)?.place() ?? this.#elsewhere();
  }

  askOne(call: Call, peer: number, tag = call.tag, endpoint = this.#memberIn(peer)): void {
    const { engine, context } = endpoint;
    const text = callText(callAt(call, this.#placeOf(call)));
    const words = questionWords(call.number, engine.questions.next());
    engine.sendAbout(peer, { kind: ASK_CALL, context: context + 1, tag, words, text });
  }

  /** Whether a rank has sent a block of this call, and not the one of that tag. */
  #hasOther(peer: number, { signature }: Call, tag: number): boolean {
    if (!hasOwnTypes(signature.operation)) return false;
    const { unexpected } = this.#memberIn(peer).library;
    return unexpected.findFrom(peer, (its) => isOfOtherCall(its, tag)) !== undefined;
  }

  #otherType(call: Call, peer: number): string {
    return `rank ${this.#rank} waits in ${callInWords(call.signature)} on ${this.#ledger.endpoint.name} for elements of rank ${peer}, which sends some of another type: both ranks pass blocks of one type`;
  }

  onAsked(question: CallQuestion): void {
    const { number, tag, peer } = question;
    const known = this.#mismatchOf(number);
    if (known !== undefined) {
      this.#tell(question, MISMATCHED, known);
      return;
    }
    const running = this.open.get(number);
    const call = running?.call ?? this.#ledger.find(number);
    if (!this.#ledger.hasBegun(number)) this.#questions.push(question);
    else if (call !== undefined && call.tag !== tag) {
      const ours = callAt(call, this.#placeOf(call));
      const text = mismatchText(this.#ledger.endpoint.name, peer, question.text, this.#rank, ours);
      this.#break(number, text);
      this.#tell(question, MISMATCHED, text);
    } else if (running !== undefined) this.#questions.push(question);
    else this.#tellEnd(question, call);
  }

  /** The call has ended here. */
  #tellEnd(question: CallQuestion, call: Call | undefined): void {
    const { number } = question;
    const failure = this.#failures.get(number);
    if (failure !== undefined) this.#tell(question, FAILED_THERE, failure.message);
    // Of a persistent call another round may begin.
    else if (number > 0) {
      const what = call === undefined ? 'another call' : callAt(call, this.#placeOf(call));
      this.#tell(question, OVER, what);
    } else this.#questions.push(question);
  }

  /** Where this rank waits now, which has gone on. */
  #elsewhere(): string {
    for (const running of this.open.values())
      return `(it has gone on, and waits in ${callAt(running.call, running.place())})`;
    return '';
  }

  #tell(question: CallQuestion, reason: number, text: string): void {
    const { peer, context, tag } = question;
    const words = answerWords(question, reason);
    this.#ledger.endpoint.engine.sendAbout(peer, {
      kind: TELL_CALL,
      context,
      tag,
      words,
      text: callText(text),
    });
  }

  #tellAll(number: number, text: string): void {
    const words = callWords(number, MISMATCHED);
    for (const { engine, context, members } of this.#ledger.endpoints) {
      const packet = { kind: TELL_CALL, context: context + 1, tag: 0, words, text: callText(text) };
      for (let member = 0; member < members.size; member++) {
        const peer = members.worldOf(member);
        if (peer !== engine.rank) engine.sendAbout(peer, packet);
      }
    }
  }

  onTold(peer: number, number: number, reason: number, text: string, question: number): void {
    // A number of a context is given again: the answer is about a communicator that was before this one.
    if (question !== 0 && ((question - this.#before) | 0) <= 0) return;
    if (reason === MISMATCHED) {
      this.#break(number, text, false);
      return;
    }
    const running = this.open.get(number);
    // What it waited for may have come before the answer.
    if (running === undefined || !running.waitsFor(peer)) return;
    const rank = this.#rank;
    if (reason === FAILED_THERE) {
      const message = `rank ${peer} has failed in a collective call that rank ${rank} waits for: ${text}`;
      running.abandon(new MpiError('ERR_PEER_FAILED', message, { rank, peer }));
    } else this.#break(number, this.#whyOver(running, peer, reason, text));
  }

  /** Why nothing more comes of a rank that this one waits for. */
  #whyOver(running: Running, peer: number, reason: number, text: string): string {
    const { call } = running;
    if (this.#hasOther(peer, call, call.tag)) return this.#otherType(call, peer);
    const ours = callAt(call, running.place());
    const theirs =
      reason === CALL_FREED
        ? 'no such call: it has freed the communicator'
        : `${text}\n      and has ended it`;
    return mismatchText(this.#ledger.endpoint.name, this.#rank, ours, peer, theirs);
  }

  /** A call that was begun here has failed. */
  failed(call: Call, error: MpiError): void {
    const { number } = call;
    if (error.code === 'ERR_MISMATCH') this.#break(number, error.message);
    this.#failures.set(number, error);
    for (const its of this.#failures.keys()) {
      if (this.#failures.size <= CALLS_REMEMBERED) break;
      this.#failures.delete(its);
    }
    this.#answer();
  }

  /**
   * All calls from this one on fail, and all ranks of the communicator are told.
   * @param isNews this rank found it, so the others do not know yet
   */
  #break(number: number, text: string, isNews = true): void {
    if (this.#mismatchOf(number) === undefined) {
      this.#mismatches.set(number, text);
      // Whoever still waits is answered after the program has freed the communicator, too.
      for (const { pair } of this.#ledger.endpoints) if (pair !== null) pair.answers = true;
      if (isNews) this.#tellAll(number, text);
    }
    for (const [its, running] of [...this.open]) {
      const why = this.#mismatchOf(its);
      if (why === undefined) continue;
      this.open.delete(its);
      running.abandon(mismatch(why, this.#rank));
    }
    this.#answer();
  }

  /** Looks at what was asked before once more. */
  #answer(): void {
    for (const question of this.#questions.splice(0)) this.onAsked(question);
  }
}
