/** A request that its maker ends. */
import type { MpiError } from '../../base/error.ts';
import type { CallSite } from '../../messaging/deadlock/call-site.ts';
import { COMPLETE, FAILED, PENDING } from '../../messaging/operation.ts';
import { type Owner, StartedRequest } from './started-request.ts';
import { Status } from './status.ts';
import { waitWithin } from './timeout.ts';

export class ManualRequest<R> extends StartedRequest<R> {
  told = false;
  readonly owner: Owner;
  readonly isSend: boolean;
  readonly peer: number;
  readonly tag: number;
  readonly length: number;
  readonly status = new Status();
  readonly #result: R;
  state = PENDING;
  error: MpiError | null = null;
  readonly #listeners: (() => void)[] = [];
  /** @internal So many more await it. */
  onHold: (more: number) => void = () => {};

  /** @internal @param peer a rank of the world */
  constructor(
    owner: Owner,
    of: { isSend: boolean; peer: number; tag: number; length: number },
    result: (status: Status) => R,
  ) {
    super();
    this.owner = owner;
    this.isSend = of.isSend;
    this.peer = of.peer;
    this.tag = of.tag;
    this.length = of.length;
    this.#result = result(this.status);
  }

  get result(): R {
    return this.#result;
  }

  /** @internal As of others; and tells its maker, who may have to look at something meanwhile. */
  override hold(site: CallSite | null, abandoned: (error: MpiError) => void): () => void {
    const release = super.hold(site, abandoned);
    this.onHold(1);
    return () => {
      this.onHold(-1);
      release();
    };
  }

  /** @internal @param error why it failed; null: it is complete */
  end(error: MpiError | null): void {
    // Another rank may have ended it while it was about to fail here: the program hears of the last error.
    if (this.error !== null) this.owner.engine.completion.unseen.delete(this.error);
    this.error = error;
    this.state = error === null ? COMPLETE : FAILED;
    for (const listener of this.#listeners.splice(0)) listener();
    // Who awaits it was told just now.
    if (error !== null && !this.told) this.owner.engine.completion.leaveUnseen(this, error);
  }

  tell(): void {
    this.told = true;
    if (this.error !== null) this.owner.engine.completion.unseen.delete(this.error);
  }

  waitForEnd(): void {
    waitWithin(this.owner, this);
  }

  whenEnded(listener: () => void): void {
    if (this.state === PENDING) this.#listeners.push(listener);
    else listener();
  }
}
