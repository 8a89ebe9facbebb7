/** A request that the program awaits, and what is told where nobody will ever end it. */
import type { MpiError } from '../../base/error.ts';
import type { CallSite } from '../../messaging/deadlock/call-site.ts';
import type { Awaited } from '../../messaging/deadlock/loop-watch.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import type { Engine } from '../../messaging/engine.ts';
import type { Operation } from '../../messaging/operation.ts';

export class AwaitedRequest implements Awaited {
  readonly site: CallSite | null;
  readonly #engine: Engine;
  readonly #request: Operation;
  readonly #abandoned: (error: MpiError) => void;

  /**
   * @param site where it is awaited
   * @param abandoned tells the program, where the request itself goes on
   */
  constructor(
    engine: Engine,
    request: Operation,
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

  /** A receive is taken back; what a send has begun goes on. */
  giveUp(error: MpiError): void {
    const { receiving, completion, loop } = this.#engine;
    loop.release(this);
    if (!this.#request.isSend && receiving.cancel(this.#request))
      completion.fail(this.#request, error);
    else this.#abandoned(error);
  }
}
