/**
 * Operations that are parts of one: the two of a send-receive (MPI 4.1, 3.10), those of a collective
 * operation's round. The whole has ended when every part has, so that no buffer is in use any more. Once
 * a part has failed, receives that no message has met are taken back: what comes for them later
 * belongs to other receives.
 */
import type { MpiError } from '../../base/error.ts';
import { COMPLETE, FAILED, PENDING } from '../../messaging/operation.ts';
import { callSiteOf } from './awaited.ts';
import type { Request } from './request.ts';
import { waitWithin, within } from './timeout.ts';

export class Parts {
  readonly #parts: readonly Request[];
  /** Of the part that failed first. */
  error: MpiError | null = null;
  /** Called once all have ended. */
  ended: () => void = () => {};

  constructor(parts: readonly Request[]) {
    this.#parts = parts;
    for (const part of parts)
      if (part.state === PENDING) part.settled = () => this.#settled(part);
      else if (part.state === FAILED) this.error ??= part.error;
    if (this.error !== null) this.#takeBack(this.error);
  }

  get done(): boolean {
    return this.#parts.every((part) => part.done);
  }

  #settled({ error }: Request): void {
    if (error !== null && this.error === null) {
      this.error = error;
      this.#takeBack(error);
    }
    if (this.done) this.ended();
  }

  /** Nobody waits for it any more: receives are taken back, and what sends have begun goes on. */
  giveUp(error: MpiError): void {
    this.error ??= error;
    this.#takeBack(error);
  }

  #takeBack(error: MpiError): void {
    for (const part of this.#parts) {
      const { engine } = part.owner;
      if (part.state === PENDING && engine.receiving.cancel(part))
        engine.completion.fail(part, error);
    }
  }
}

/** The usual case of small messages. */
function areComplete(parts: readonly Request[]): boolean {
  for (let i = 0; i < parts.length; i++) if (parts[i].state !== COMPLETE) return false;
  return true;
}

/** Blocks until all parts have ended. @throws MpiError of the part that failed first */
export function waitForParts(parts: readonly Request[]): void {
  if (areComplete(parts)) return;
  const whole = new Parts(parts);
  for (const part of parts) {
    const { engine } = part.owner;
    try {
      waitWithin(part.owner, part);
    } catch (error) {
      // Nobody can end it; what is on its way goes on.
      if (!engine.receiving.cancel(part)) throw whole.error ?? error;
      engine.completion.fail(part, error as MpiError);
    }
  }
  if (whole.error !== null) throw whole.error;
}

/** The same as a promise. */
export async function awaitParts(parts: readonly Request[]): Promise<void> {
  if (areComplete(parts)) return;
  const whole = new Parts(parts);
  for (const part of parts) if (!part.done) part.owner.engine.loop.poll(part);
  const site = callSiteOf(parts[0].owner.engine);
  const ended = new Promise<void>((resolve, reject) => {
    const end = () => (whole.error === null ? resolve() : reject(whole.error));
    if (whole.done) return end();
    const releases = parts.filter((part) => !part.done).map((part) => part.hold(site, reject));
    whole.ended = () => {
      for (const release of releases) release();
      end();
    };
  });
  const late = parts.find(({ state }) => state === PENDING);
  if (late === undefined) return ended;
  // Receives that no message has met are taken back.
  return within(late.owner, late, ended, () => {
    for (const part of parts) part.cancel();
  });
}
