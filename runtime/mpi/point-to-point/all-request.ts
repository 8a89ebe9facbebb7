/** A request that ends when all of several have. */
import type { MpiError } from '../../base/error.ts';
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

  get #first(): StartedRequest<unknown> | undefined {
    return this.#parts.find(({ state }) => state === PENDING);
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

  waitForEnd(): void {
    for (const part of this.#parts) if (part.state === PENDING) part.waitForEnd();
  }

  whenEnded(listener: () => void): void {
    if (this.#pending === 0) listener();
    else this.#listeners.push(listener);
  }
}
