/** A request that the program awaits, and what is told where nobody will ever end it. */
import type { MpiError } from '../../base/error.ts';
import { type CallSite, noteCallSite } from '../../messaging/deadlock/call-site.ts';
import type { Awaited } from '../../messaging/deadlock/loop-watch.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import type { Engine } from '../../messaging/engine.ts';

/** What a program can await. */
export interface Awaitable {
  describe(): WaitedOperation;
  /**
   * Nobody will ever end it.
   * @param abandoned tells the program, where the operation itself goes on
   */
  giveUp(error: MpiError, abandoned: (error: MpiError) => void): void;
  /** As of what a rank blocks for. */
  readonly asksAfterMs?: number;
  stalled?(): void;
}

/** Where the program awaits something: for those who are told, should it never end. */
export function callSiteOf({ standstill }: Engine): CallSite | null {
  return standstill === null ? null : noteCallSite();
}

/**
 * The process lives until the end of what is awaited.
 * @param site where it is awaited
 * @param abandoned is called where nobody will ever end it
 * @returns ends that
 */
export function holdAwaited(
  engine: Engine,
  request: Awaitable,
  site: CallSite | null,
  abandoned: (error: MpiError) => void,
): () => void {
  const { loop } = engine;
  const awaited = new AwaitedRequest(engine, request, site, abandoned);
  loop.hold(awaited);
  return () => loop.release(awaited);
}

class AwaitedRequest implements Awaited {
  readonly site: CallSite | null;
  readonly #engine: Engine;
  readonly #request: Awaitable;
  readonly #abandoned: (error: MpiError) => void;

  constructor(
    engine: Engine,
    request: Awaitable,
    site: CallSite | null,
    abandoned: (error: MpiError) => void,
  ) {
    this.#engine = engine;
    this.#request = request;
    this.site = site;
    this.#abandoned = abandoned;
  }

  describe(): WaitedOperation {
    return this.#request.describe();
  }

  get asksAfterMs(): number {
    return this.#request.asksAfterMs ?? Number.POSITIVE_INFINITY;
  }

  stalled(): void {
    this.#request.stalled?.();
  }

  giveUp(error: MpiError): void {
    this.#engine.loop.release(this);
    this.#request.giveUp(error, this.#abandoned);
  }
}
