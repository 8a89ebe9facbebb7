/** `comm.timeout`: waits that end with an error. */
import { inWords } from '../../base/bytes.ts';
import { clearTimeout, setTimeout } from '../../base/clock.ts';
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import type { Engine } from '../../messaging/engine.ts';
import type { Awaited } from '../../messaging/operation.ts';
import { TIMEOUT_MS_MAX } from '../../messaging/waiting.ts';

/** Whose waits they are. */
export interface Patience {
  readonly engine: Engine;
  /** Whole milliseconds; TIMEOUT_MS_MAX: a wait takes as long as it takes. */
  readonly timeout: number;
  rankOf(world: number): number;
}

/** @throws MpiError ERR_ARG unless it is a number of milliseconds, or Infinity */
export function checkTimeout(milliseconds: number): void {
  if (typeof milliseconds === 'number' && milliseconds >= 0) return;
  throw new MpiError(
    'ERR_ARG',
    `the timeout ${inWords(milliseconds)} is no number of milliseconds from 0 on: Infinity is none`,
  );
}

/** What an operation waits for, in words. */
function timedOut(owner: Patience, { isSend, peer, tag }: Awaited): MpiError {
  const other = peer === ANY_SOURCE ? 'any rank' : `rank ${owner.rankOf(peer)}`;
  const which = tag === ANY_TAG ? 'with any tag' : `with tag ${tag}`;
  const what = isSend
    ? `${other} to receive a message ${which}`
    : `a message from ${other} ${which}`;
  const details = peer === ANY_SOURCE ? {} : { peer: owner.rankOf(peer), tag };
  return new MpiError(
    'ERR_TIMEOUT',
    `rank ${owner.engine.rank} has waited ${owner.timeout} ms (comm.timeout) for ${what}`,
    { rank: owner.engine.rank, ...details },
  );
}

/** Blocks until it has ended. @throws MpiError ERR_TIMEOUT, ERR_DEADLOCK: it is then still under way */
export function waitWithin(owner: Patience, what: Awaited): void {
  const { engine, timeout } = owner;
  if (!engine.wait(what, timeout)) throw timedOut(owner, what);
}

/** The same of a promise of its end. @param end takes back what can be */
export function within<Result>(
  owner: Patience,
  what: Awaited,
  promise: Promise<Result>,
  end: () => void = nothing,
): Promise<Result> {
  const { timeout } = owner;
  if (timeout === TIMEOUT_MS_MAX) return promise;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(timedOut(owner, what));
      end();
    }, timeout);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function nothing(): void {}
