/** A request that ends with another's end, and with something else than its status. */
import type { MpiError } from '../../base/error.ts';
import { COMPLETE, FAILED } from '../../messaging/operation.ts';
import { type Owner, StartedRequest } from './started-request.ts';
import type { Status } from './status.ts';

export class DerivedRequest<R> extends StartedRequest<R> {
  told = false;
  readonly owner: Owner;
  readonly #of: StartedRequest<unknown>;
  readonly #make: () => R;
  #error: MpiError | null = null;
  #made: { result: R } | null = null;

  /** @internal @param make gives the result, once, when the other is complete; what it throws is how this one fails */
  constructor(of: StartedRequest<unknown>, make: () => R) {
    super();
    this.owner = of.owner;
    this.#of = of;
    this.#make = make;
  }

  get state(): number {
    const { state } = this.#of;
    return state === COMPLETE && this.error !== null ? FAILED : state;
  }

  get error(): MpiError | null {
    if (this.#of.state === COMPLETE && this.#made === null && this.#error === null) this.#derive();
    return this.#of.error ?? this.#error;
  }

  #derive(): void {
    try {
      this.#made = { result: this.#make() };
    } catch (error) {
      this.#error = error as MpiError;
    }
  }

  get result(): R {
    if (this.error !== null) throw this.error;
    return (this.#made as { result: R }).result;
  }

  get status(): Status {
    return this.#of.status;
  }

  get length(): number {
    return this.#of.length;
  }

  get isSend(): boolean {
    return this.#of.isSend;
  }

  get peer(): number {
    return this.#of.peer;
  }

  get tag(): number {
    return this.#of.tag;
  }

  tell(): void {
    this.told = true;
    this.#of.tell();
  }

  override cancel(): boolean {
    return this.#of.cancel();
  }

  waitForEnd(): void {
    this.#of.waitForEnd();
  }

  whenEnded(listener: () => void): void {
    this.#of.whenEnded(listener);
  }
}
