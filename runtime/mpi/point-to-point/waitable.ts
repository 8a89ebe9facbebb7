/** What calls on several requests at once need of each of them. */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import type { CallSite } from '../../messaging/deadlock/call-site.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import type { Awaited } from '../../messaging/operation.ts';
import type { Patience } from './timeout.ts';

/** Every request has it. `instanceof` would look at one prototype after another, for each of many requests. */
const WAITABLE = Symbol('waitable');

export abstract class Waitable implements Awaited {
  /** @internal */
  get [WAITABLE](): boolean {
    return true;
  }

  /** @internal */
  abstract readonly owner: Patience;
  /** @internal */
  abstract readonly state: number;
  /** @internal */
  abstract readonly error: MpiError | null;
  /** @internal Bytes of its buffer. */
  abstract readonly length: number;
  /** @internal */
  abstract readonly isSend: boolean;
  /** @internal The world rank that can end it, or a wildcard. */
  abstract readonly peer: number;
  /** @internal */
  abstract readonly tag: number;
  /** @internal The program has heard of its end: in lists it is no active request any more (MPI_REQUEST_NULL). */
  abstract readonly told: boolean;

  /** @internal Blocks until it has ended. @throws MpiError ERR_DEADLOCK, ERR_TIMEOUT */
  abstract waitForEnd(): void;
  /** @internal Calls once it has ended. */
  abstract whenEnded(listener: () => void): void;

  /** @internal */
  abstract describe(): WaitedOperation;
  /** @internal */
  abstract waits(): { mode: 'all' | 'any'; operations: WaitedOperation[] };
  /** @internal */
  abstract hold(site: CallSite | null, abandoned: (error: MpiError) => void): () => void;

  /** @internal The program hears of its end now. */
  abstract tell(): void;

  /** @internal The same, of one that had ended when it started; false: it is another, or the program has heard before. */
  tellAtOnce(): boolean {
    return false;
  }

  /** @internal Takes back what {@link tellAtOnce} did. */
  untell(): void {}
}

/** What a program gives as several requests; null: none. */
export type Requests = readonly (Waitable | null)[];

export function isRequest(value: unknown): value is Waitable {
  return value !== null && (value as Waitable | undefined)?.[WAITABLE] === true;
}

/** @throws MpiError ERR_REQUEST where it is no request, and not null */
export function checkRequest(value: unknown): void {
  if (value !== null && !isRequest(value)) throw noRequest(value);
}

/** @throws MpiError ERR_REQUEST where it is no array; what is in it is looked at by {@link checkRequest} */
export function checkRequests(value: unknown): void {
  if (!Array.isArray(value)) throw noRequest(value);
}

function noRequest(value: unknown): MpiError {
  return new MpiError(
    'ERR_REQUEST',
    `${inWords(value)} cannot be waited for: it is no request, such as isend and irecv give, and not null`,
  );
}
