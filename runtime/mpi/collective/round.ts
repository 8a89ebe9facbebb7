/** How a schedule that blocks waits for the requests of a round. */
import type { MpiError } from '../../base/error.ts';
import { currentCalls } from '../../messaging/deadlock/call-site.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import { type Awaited, COMPLETE, FAILED, PENDING } from '../../messaging/operation.ts';
import { Parts } from '../point-to-point/parts.ts';
import type { Request } from '../point-to-point/request.ts';
import { waitWithin } from '../point-to-point/timeout.ts';
import type { Call, Running } from './call.ts';
import { checkLengths } from './mismatch.ts';

/** A rank that has slept so long in a collective call asks those it waits for what became of it, in milliseconds. */
export const ASK_AFTER_MS = 20;

/** Whether all have ended well: the usual case of small messages. */
function areComplete(parts: readonly Request[]): boolean {
  for (let i = 0; i < parts.length; i++) if (parts[i].state !== COMPLETE) return false;
  return true;
}

/**
 * Blocks until all requests of a round have ended.
 * @throws MpiError of the one that failed first; ERR_MISMATCH where a message has not the length that this rank expects
 */
export function waitForRound(parts: readonly Request[], call: Call | null): void {
  if (!areComplete(parts)) new Round(parts, call).wait();
  if (call !== null) checkLengths(parts, call);
}

/** Those of a round that are under way: first those that others can end. */
export function openParts(parts: readonly Request[]): readonly Request[] {
  const open = parts.filter(({ state }) => state === PENDING);
  return open.sort((one, other) => Number(isOwn(one)) - Number(isOwn(other)));
}

/** Whether a call waits for a rank of the world, in its own communicator. */
export function isWaitedFor(parts: readonly Request[], peer: number, { book }: Call): boolean {
  const isIts = (context: number) => book.endpoints.some((one) => one.context + 1 === context);
  return openParts(parts).some((part) => part.peer === peer && isIts(part.context));
}

function isOwn({ peer, owner }: Request): boolean {
  return peer === owner.engine.rank;
}

/** As long as it is waited for. */
class Round extends Parts implements Awaited {
  readonly isSend = false;
  state = PENDING;
  readonly #all: readonly Request[];
  readonly #call: Call | null;
  #asked = false;

  constructor(parts: readonly Request[], call: Call | null) {
    super(parts);
    this.#all = parts;
    this.#call = call;
    this.ended = () => {
      this.state = this.error === null ? COMPLETE : FAILED;
    };
    if (this.done) this.ended();
  }

  get #first(): Request {
    return openParts(this.#all)[0] ?? this.#all[0];
  }

  get peer(): number {
    return this.#first.peer;
  }

  get tag(): number {
    return this.#first.tag;
  }

  waits(): { mode: 'all'; operations: WaitedOperation[] } {
    return { mode: 'all', operations: openParts(this.#all).map((part) => part.describe()) };
  }

  get asksAfterMs(): number {
    return this.#asked || this.#call === null ? Number.POSITIVE_INFINITY : ASK_AFTER_MS;
  }

  stalled(): void {
    this.#asked = true;
    this.#call?.book.ask(this as Running, openParts(this.#all));
  }

  askAgain(): void {
    this.#asked = false;
  }

  get call(): Call {
    return this.#call as Call;
  }

  waitsFor(peer: number): boolean {
    return isWaitedFor(this.#all, peer, this.call);
  }

  place(): string {
    return currentCalls();
  }

  abandon(error: MpiError): void {
    this.giveUp(error);
    this.state = FAILED;
  }

  /** @throws MpiError of the part that failed first; ERR_DEADLOCK, ERR_TIMEOUT: what its sends have begun goes on */
  wait(): void {
    this.#call?.book.enter(this as Running);
    try {
      waitWithin(this.#all[0].owner, this);
    } catch (error) {
      this.giveUp(error as MpiError);
    } finally {
      this.#call?.book.leave(this as Running);
    }
    if (this.error !== null) throw this.error;
  }
}
