/** How a schedule that blocks waits for the requests of a round. */
import { MpiError } from '../../base/error.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import { type Awaited, COMPLETE, FAILED, PENDING } from '../../messaging/operation.ts';
import { Parts } from '../point-to-point/parts.ts';
import type { Request } from '../point-to-point/request.ts';
import { waitWithin } from '../point-to-point/timeout.ts';
import type { Call } from './call.ts';
import { callInWords } from './signature.ts';

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
  if (!areComplete(parts)) new Round(parts).wait();
  if (call !== null) checkLengths(parts, call);
}

/** Those of a round that are under way: first those that others can end. */
export function openParts(parts: readonly Request[]): readonly Request[] {
  const open = parts.filter(({ state }) => state === PENDING);
  return open.sort((one, other) => Number(isOwn(one)) - Number(isOwn(other)));
}

function isOwn({ peer, owner }: Request): boolean {
  return peer === owner.engine.rank;
}

/** As long as it is waited for. */
class Round extends Parts implements Awaited {
  readonly isSend = false;
  state = PENDING;
  readonly #all: readonly Request[];

  constructor(parts: readonly Request[]) {
    super(parts);
    this.#all = parts;
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

  /** @throws MpiError of the part that failed first; ERR_DEADLOCK, ERR_TIMEOUT: what its sends have begun goes on */
  wait(): void {
    try {
      waitWithin(this.#all[0].owner, this);
    } catch (error) {
      this.giveUp(error as MpiError);
    }
    if (this.error !== null) throw this.error;
  }
}

/** @throws MpiError ERR_MISMATCH */
export function checkLengths(parts: readonly Request[], call: Call): void {
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part.matchedLength !== part.length && !part.isSend) throw wrongLength(part, call);
  }
}

function wrongLength(
  { owner, peer, matchedLength, length }: Request,
  { signature }: Call,
): MpiError {
  const rank = owner.engine.rank;
  const from = owner.rankOf(peer);
  return new MpiError(
    'ERR_MISMATCH',
    `rank ${rank} expects ${length} bytes of rank ${from} in ${callInWords(signature)} on ${owner.name}, and got ${matchedLength}: the lengths that the two ranks pass do not fit`,
    { rank, peer: from },
  );
}

/** What a schedule is told of a round that failed: a message that was too long is no matter of a single receive. */
export function ofRound(error: MpiError, call: Call | null): MpiError {
  if (call === null || error.code !== 'ERR_TRUNCATE') return error;
  const rank = call.endpoint.engine.rank;
  return new MpiError(
    'ERR_MISMATCH',
    `the lengths that two ranks pass to ${callInWords(call.signature)} do not fit: ${error.message}`,
    { rank, peer: error.peer as number, cause: error },
  );
}
