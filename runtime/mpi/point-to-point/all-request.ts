/** A request that ends when all of several have. */
import type { MpiError } from '../../base/error.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import { COMPLETE, FAILED, PENDING } from '../../messaging/operation.ts';
import { type Owner, StartedRequest } from './started-request.ts';
import { Status } from './status.ts';

export class AllRequest extends StartedRequest<void> {
  told = false;
  readonly owner: Owner;
  readonly isSend = true;
  readonly result = undefined;
  readonly status = new Status();
  readonly #parts: readonly StartedRequest<unknown>[];
  #pending = 0;
  readonly #listeners: (() => void)[] = [];

  /** @internal */
  constructor(owner: Owner, parts: readonly StartedRequest<unknown>[]) {
    super();
    this.owner = owner;
    this.#parts = parts;
    for (const part of parts) {
      if (part.state !== PENDING) continue;
      this.#pending++;
      part.whenEnded(() => this.#end());
    }
  }

  #end(): void {
    if (--this.#pending === 0) for (const listener of this.#listeners.splice(0)) listener();
  }

  get state(): number {
    if (this.#pending > 0) return PENDING;
    return this.error === null ? COMPLETE : FAILED;
  }

  /** Of the first that failed. */
  get error(): MpiError | null {
    return this.#parts.find((part) => part.state === FAILED)?.error ?? null;
  }

  get length(): number {
    return this.#parts.reduce((sum, { length }) => sum + length, 0);
  }

  /** One that is under way: of those that others can end, where there are such. */
  get #first(): StartedRequest<unknown> | undefined {
    const { rank } = this.owner.engine;
    const pending = this.#parts.filter(({ state }) => state === PENDING);
    return pending.find(({ peer }) => peer !== rank) ?? pending[0];
  }

  get peer(): number {
    return this.#first?.peer ?? this.owner.engine.rank;
  }

  get tag(): number {
    return this.#first?.tag ?? 0;
  }

  tell(): void {
    this.told = true;
    for (const part of this.#parts) part.tell();
  }

  override waits(): { mode: 'all'; operations: WaitedOperation[] } {
    const pending = this.#parts.filter(({ state }) => state === PENDING);
    return { mode: 'all', operations: pending.map((part) => part.describe()) };
  }

  waitForEnd(): void {
    for (const part of this.#parts) if (part.state === PENDING) part.waitForEnd();
  }

  whenEnded(listener: () => void): void {
    if (this.#pending === 0) listener();
    else this.#listeners.push(listener);
  }
}
