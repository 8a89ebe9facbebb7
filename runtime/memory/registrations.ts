/** Registrations within the budgets, and what a refusal of the kernel means for the next ones (rule R7). */
import { now } from '../base/clock.ts';
import { ENOMEM, isExhausted } from '../base/errno.ts';
import { COUNT, type Counters } from './counters.ts';
import { type DomainPort, NO_KEY, type Operation } from './domain.ts';
import type { Budget } from './limits.ts';
import type { Region } from './region.ts';

/** For so long a size that the kernel refused is not asked for again. */
export const REFUSAL_MS = 1000;

/** Told when a limit is met: bytes that may be pinned, bytes needed. */
export type LimitMet = (limit: number, need: number) => void;

/** Who gives registrations up for others. */
interface Evictor {
  evictOldest(): boolean;
  /** Evicts at least so many bytes, or all there are; false: nothing was left. */
  makeRoom(bytes: number): boolean;
}

export class Registrations {
  readonly budget: Budget;
  readonly #port: DomainPort<Operation>;
  readonly #counters: Counters;
  readonly #evictor: Evictor;
  readonly #limitMet: LimitMet;
  /** Bytes pinned at which the kernel last said no, and until when we believe it. */
  #refusedAt = Infinity;
  #refusedUntil = 0;

  constructor(
    port: DomainPort<Operation>,
    budget: Budget,
    counters: Counters,
    evictor: Evictor,
    limitMet: LimitMet,
  ) {
    this.budget = { ...budget, regions: Math.min(budget.regions, port.regionsMax) };
    this.#port = port;
    this.#counters = counters;
    this.#evictor = evictor;
    this.#limitMet = limitMet;
  }

  /** How many bytes one region may have. */
  get bytesMost(): number {
    return Math.min(this.#port.regionBytesMax, this.#bytesAllowed());
  }

  /** Whether so many bytes may ever be registered; if not, the limit is told. */
  mayFit(bytes: number): boolean {
    const allowed = this.#bytesAllowed();
    if (bytes <= allowed) return true;
    this.#limitMet(allowed, bytes);
    return false;
  }

  /** Registers a region: 0 or a negative errno. Evicts for the budgets, and again on refusal. */
  register(region: Region): number {
    const { bytes } = region;
    if (!this.#fitBudget(bytes)) return -ENOMEM;
    for (;;) {
      const answer = this.#port.register(region.start, bytes, region.access);
      if (answer >= 0) {
        region.key = answer;
        this.#counters.pinned(bytes);
        return 0;
      }
      if (!isExhausted(answer)) return answer;
      this.#limitMet(this.#pinned, this.#pinned + bytes);
      if (!this.#evictor.makeRoom(bytes)) {
        this.#refused(this.#pinned + bytes);
        return answer;
      }
    }
  }

  /** Ends a region's registration, if it has one. */
  deregister(region: Region): void {
    if (region.key === NO_KEY) return;
    const answer = this.#port.deregister(region.key);
    region.key = NO_KEY;
    // What was not given back stays counted: it is pinned.
    if (answer < 0) this.#counters.values[COUNT.deregistrationErrors] += 1;
    else this.#counters.pinned(-region.bytes);
  }

  get #pinned(): number {
    return this.#counters.values[COUNT.bytesPinned];
  }

  /** Evicts until one more region of so many bytes is within the budgets; false: it never is. */
  #fitBudget(bytes: number): boolean {
    const { values } = this.#counters;
    const { budget } = this;
    while (values[COUNT.regions] >= budget.regions) if (!this.#evictor.evictOldest()) return false;
    if (this.#pinned + bytes <= budget.bytes) return true;
    this.#limitMet(budget.bytes, this.#pinned + bytes);
    while (this.#pinned + bytes > budget.bytes) if (!this.#evictor.evictOldest()) return false;
    return true;
  }

  /** The kernel said no with nothing left to evict: for a while, nothing is evicted for so much. */
  #refused(bytes: number): void {
    this.#counters.values[COUNT.refusals] += 1;
    this.#refusedAt = bytes;
    this.#refusedUntil = now() + REFUSAL_MS;
  }

  #bytesAllowed(): number {
    if (this.#refusedAt !== Infinity) {
      if (now() < this.#refusedUntil) return Math.min(this.budget.bytes, this.#refusedAt - 1);
      this.#refusedAt = Infinity;
    }
    return this.budget.bytes;
  }
}
