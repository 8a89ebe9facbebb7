/**
 * The sender's half of a flow to one peer (docs/internals/protocol.md#credit): its credit, the messages
 * that wait, and the answers to a receiver that asks for some of them.
 */
import type { Channel } from '../../../transports/transport.ts';
import { EXTENSION_WORDS } from '../../../transports/transport.ts';
import { ANY_TAG } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import type { Operation } from '../operation.ts';
import { EAGER, FOUND, FOUND_WORD, GONE, NONE, SEEK_WORD, STALLED } from '../wire.ts';
import { Backlog, nextOf } from './backlog.ts';
import { beyond, type CreditLimits, chargeOf, LIBRARY, ONE_MESSAGE } from './credit.ts';

/** Patterns of receives that a stalled sender remembers; with more, it tells of each message. */
export const SOUGHT_MAX = 1024;
/** Messages of one context that leave before it is the next one's turn. */
const TURN = 64;

/** What a flow needs of the engine. */
export interface FlowOutput {
  /**
   * Sends a message's first packet, or fails it; false: no room, or no credit.
   * @param granted beyond all credit
   */
  start(request: Operation, granted: boolean): boolean;
  /** Makes sure that the peer knows a context; false: no room. */
  open(context: number): boolean;
  /** A packet that waits for room where there is none. */
  control(kind: number, tag: number, extension: Int32Array | null): void;
}

export class SendFlow {
  /** A message may go now: none waits that it would overtake, and the peer is not lost. */
  clear = true;
  /** How many messages wait. */
  waiting = 0;
  readonly #flow: number;
  readonly #channel: Channel;
  readonly #output: FlowOutput;
  /** None of these bits is set in what is outstanding. */
  readonly #beyond: number;
  #charged = 0;
  #returned = 0;
  /** What the peer's last CREDIT said. */
  #told = 0;
  #lost = false;
  readonly #backlogs = new Map<number, Backlog>();
  /** The peer knows that messages wait. */
  #stalled = false;
  /** Patterns that were sought, see {@link patternOf}. */
  readonly #sought = new Set<number>();
  #soughtMany = false;
  /** A SEEK that is not answered yet. */
  #seek: { context: number; tag: number } | null = null;
  /** The message that the peer was told of, which it takes or not. */
  #found: Operation | null = null;
  /** The message that it takes, which has not left yet. */
  #taken: Operation | null = null;

  constructor(flow: number, channel: Channel, output: FlowOutput, limits: CreditLimits) {
    this.#flow = flow;
    this.#channel = channel;
    this.#output = output;
    this.#beyond = beyond(limits);
  }

  // ---- credit

  /** Sends a small message at once; false: it takes a request. The hot path of a blocking send. */
  trySendNow(context: number, tag: number, bytes: Uint8Array, length: number): boolean {
    // Compared: V8 would test a field for all that counts as true.
    if (this.clear !== true) return false;
    const charged = (this.#charged + chargeOf(length)) | 0;
    // What was returned since the last look, a request finds out.
    if (((charged - this.#returned) & this.#beyond) !== 0) return false;
    if (!this.#channel.trySend(EAGER, context, tag, bytes, 0, length)) return false;
    this.#charged = charged;
    return true;
  }

  /** Sends again, at once, what was the last small message; 0: it takes a closer look. The hot path of a send. */
  trySendAgain(context: number, tag: number, bytes: unknown): number {
    if (this.clear !== true) return 0;
    const charged = (this.#charged + ONE_MESSAGE) | 0;
    if (((charged - this.#returned) & this.#beyond) !== 0) return 0;
    const length = this.#channel.trySendAgain(EAGER, context, tag, bytes);
    if (length > 0) this.#charged = charged;
    return length;
  }

  /** Whether the receiver has room for what is charged with so much. */
  hasCredit(charge: number): boolean {
    const charged = this.#charged + charge;
    if (((charged - this.#returned) & this.#beyond) === 0) return true;
    this.#returned = this.#flow === LIBRARY ? this.#told : this.#channel.creditReturned();
    return ((charged - this.#returned) & this.#beyond) === 0;
  }

  charge(charge: number): void {
    this.#charged = (this.#charged + charge) | 0;
  }

  /** What a CREDIT says. */
  credited(returned: number): void {
    this.#told = returned;
    this.push();
  }

  // ---- messages that wait

  wait(request: Operation): void {
    const { context } = request;
    let backlog = this.#backlogs.get(context);
    if (backlog === undefined) {
      backlog = new Backlog();
      this.#backlogs.set(context, backlog);
    }
    backlog.add(request);
    this.waiting++;
    this.clear = false;
  }

  #remove(backlog: Backlog, request: Operation): void {
    backlog.remove(request);
    this.waiting--;
    if (backlog.first === null) this.#backlogs.delete(request.context);
  }

  /** Sends what there is room and credit for, and answers. */
  push(): void {
    if (this.#lost) return;
    if (this.#taken !== null) {
      if (!this.#output.start(this.#taken, true)) return;
      this.#taken = null;
    }
    // Until the peer has decided nothing may overtake what it was told of.
    if (this.#found !== null) return;
    while (this.#sendInTurn());
    if (this.waiting > 0) this.#tell();
    if (this.#found === null && this.#seek !== null) this.#answer(this.#seek);
    if (this.waiting > 0 || this.#found !== null || this.#taken !== null) return;
    this.clear = true;
    this.#stalled = false;
    this.#sought.clear();
    this.#soughtMany = false;
  }

  /** Some messages of each context; whether there may be more. */
  #sendInTurn(): boolean {
    let more = false;
    for (const backlog of this.#backlogs.values()) {
      let sent = 0;
      for (; sent < TURN && backlog.first !== null; sent++) {
        const { first } = backlog;
        if (!this.#output.start(first, false)) break;
        this.#remove(backlog, first);
      }
      if (sent === TURN) more = true;
    }
    return more;
  }

  /** Tells the peer that messages wait, and of those that it looks for. */
  #tell(): void {
    if (!this.#stalled) {
      if (this.hasCredit(ONE_MESSAGE)) return;
      this.#stalled = true;
      this.#output.control(STALLED, this.#flow, null);
    }
    for (const [context, backlog] of this.#backlogs)
      while (backlog.unseen !== null && this.#output.open(context)) {
        const request: Operation = backlog.unseen;
        backlog.unseen = nextOf(request);
        if (!this.#isSought(request)) continue;
        this.#find(request, 0);
        return;
      }
  }

  #isSought({ context, tag }: Operation): boolean {
    if (this.#soughtMany) return true;
    const sought = this.#sought;
    if (sought.size === 0) return false;
    return sought.has(patternOf(context, tag)) || sought.has(patternOf(context, ANY_TAG));
  }

  #find(request: Operation, answers: number): void {
    this.#found = request;
    const words = new Int32Array(EXTENSION_WORDS);
    words[FOUND_WORD.context] = request.context;
    words[FOUND_WORD.tag] = request.tag;
    words[FOUND_WORD.answers] = answers;
    this.#output.control(FOUND, this.#flow, words);
  }

  #answer({ context, tag }: { context: number; tag: number }): void {
    const found = this.#backlogs.get(context)?.find(tag) ?? null;
    if (found !== null && !this.#output.open(context)) return;
    this.#seek = null;
    const over = this.waiting === 0;
    if (!over) this.#remember(patternOf(context, tag));
    if (found !== null) {
      this.#find(found, 1);
      return;
    }
    const words = new Int32Array(EXTENSION_WORDS);
    words[0] = over ? 1 : 0;
    this.#output.control(NONE, this.#flow, words);
  }

  #remember(pattern: number): void {
    if (this.#sought.size < SOUGHT_MAX || this.#sought.has(pattern)) this.#sought.add(pattern);
    else this.#soughtMany = true;
  }

  // ---- what the receiver says

  onSeek(words: Int32Array): void {
    const context = words[SEEK_WORD.context];
    const tag = words[SEEK_WORD.tag];
    if (this.#seek !== null || context < 0 || tag < ANY_TAG)
      throw new MpiError('ERR_PROTOCOL', `a peer seeks tag ${tag} in context ${context}`);
    this.#seek = { context, tag };
    this.push();
  }

  onTake(): void {
    const request = this.#decided();
    this.#remove(this.#backlogs.get(request.context) as Backlog, request);
    this.#taken = request;
    this.push();
  }

  /** No receive waits for it that was sought: nothing that was sought and fits it waits any more. */
  onPass(): void {
    const { context, tag } = this.#decided();
    this.#sought.delete(patternOf(context, tag));
    this.#sought.delete(patternOf(context, ANY_TAG));
    this.push();
  }

  #decided(): Operation {
    const found = this.#found;
    if (found === null)
      throw new MpiError('ERR_PROTOCOL', 'a peer answers for a message that it was not told of');
    this.#found = null;
    return found;
  }

  /** A message that waited failed, and will not leave. */
  failed(request: Operation): void {
    if (request === this.#taken) this.#output.control(GONE, this.#flow, null);
  }

  /** Whether messages of a context wait. */
  holds(context: number): boolean {
    return this.#backlogs.has(context) || this.#taken?.context === context;
  }

  /** Nothing more goes; what waits. */
  lose(): Operation[] {
    this.#lost = true;
    this.clear = false;
    const all = [...this.#backlogs.values()].flatMap((backlog) => backlog.takeAll());
    if (this.#taken !== null) all.unshift(this.#taken);
    this.#backlogs.clear();
    this.#found = null;
    this.#taken = null;
    this.#seek = null;
    this.waiting = 0;
    return all;
  }

  /** Whether anything waits for room, credit, or the peer's word. */
  get busy(): boolean {
    return this.waiting > 0 || this.#taken !== null;
  }
}

/** A number for a context of this flow and a tag, which may be any. */
function patternOf(context: number, tag: number): number {
  return (context >>> 1) * 2 ** 32 + tag + 1;
}
