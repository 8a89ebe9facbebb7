/**
 * The registration cache: regions between a monitor and a domain. Regions in the index are
 * disjoint; one whose memory changed has left it before anybody can find it again.
 */

import { ENOMEM } from '../base/errno.ts';
import { COUNT, type Counters } from './counters.ts';
import type { Access, DomainPort, Operation } from './domain.ts';
import { IntervalIndex } from './interval-index.ts';
import type { Budget } from './limits.ts';
import type { Monitor } from './monitor.ts';
import { Region } from './region.ts';
import { type LimitMet, Registrations } from './registrations.ts';
import { MonitorSlots } from './slots.ts';
import { UseOrder } from './use-order.ts';

/** Times that a registration is made again because its memory changed meanwhile (rule R1). */
export const RETRIES_MAX = 3;

/** Regions that lie beside each other become one while it has at most so many bytes. */
export const MERGE_BYTES_MAX = 2 ** 20;

/**
 * The answer of {@link RegistrationCache.obtain} for memory that can be registered but not cached:
 * it cannot be monitored, or changes too often.
 */
export const UNCACHEABLE = Number.MIN_SAFE_INTEGER;

interface Bounds {
  start: number;
  end: number;
  access: Access;
}

/** Caches of this thread. One that is refused memory asks the others for what they do not use. */
const caches = new Set<RegistrationCache>();

export class RegistrationCache {
  readonly #index = new IntervalIndex<Region>();
  readonly #order = new UseOrder();
  /** Cached regions without a lease. */
  #idle = 0;
  readonly #slots: MonitorSlots;
  readonly #registrations: Registrations;
  readonly #counters: Counters;

  constructor(
    monitor: Monitor,
    port: DomainPort<Operation>,
    budget: Budget,
    counters: Counters,
    limitMet: LimitMet,
  ) {
    this.#counters = counters;
    const evictOldest = () => this.#evictOldest();
    const makeRoom = (bytes: number) => this.#makeRoom(bytes);
    this.#slots = new MonitorSlots(monitor, counters, {
      evictOldest,
      fired: (region) => this.#leaveIndex(region),
      invalidated: (region) => {
        if (region.leases === 0) this.#retire(region);
      },
    });
    const evictor = { evictOldest, makeRoom };
    this.#registrations = new Registrations(port, budget, counters, evictor, limitMet);
    caches.add(this);
  }

  /** The budgets in force. */
  get budget(): Budget {
    return this.#registrations.budget;
  }

  /** Regions in the index. */
  get size(): number {
    return this.#index.size;
  }

  /** Those of them that nobody has a lease on. */
  get idle(): number {
    return this.#idle;
  }

  /** Whatever changed before this call is known after it (R2). */
  look(): void {
    this.#slots.look();
  }

  /** A cached region that covers the range. The caller has looked. */
  find(start: number, end: number, access: Access): Region | undefined {
    const region = this.#index.find(start, end);
    return region?.allows(access) ? region : undefined;
  }

  /** One more lease on a cached region. */
  hold(region: Region): void {
    if (region.leases++ === 0) this.#idle -= 1;
  }

  /** A lease ends. */
  drop(region: Region): void {
    if (--region.leases !== 0) return;
    if (region.cached) {
      this.#idle += 1;
      this.#order.use(region.slot);
    } else this.#retire(region);
  }

  /**
   * Registers the range, together with cached ranges it overlaps or touches, and caches it. The
   * caller has one lease on the answer. A negative errno, or UNCACHEABLE.
   */
  obtain(start: number, end: number, access: Access): Region | number {
    // What can never fit must not drive out everything else first.
    if (!this.#registrations.mayFit(end - start)) return -ENOMEM;
    const alone = { start, end, access };
    if (!this.#index.touches(start, end)) return this.#add(alone);
    const union = this.#absorb(alone);
    if (union.start !== start || union.end !== end || union.access !== access) {
      const region = this.#add(union);
      if (typeof region !== 'number') {
        this.#counters.values[COUNT.merges] += 1;
        return region;
      }
    }
    return this.#add(alone);
  }

  /** Registers the range for one operation: not monitored, in no index. One lease on the answer. */
  registerOnce(start: number, end: number, access: Access): Region | number {
    const region = new Region(start, end, access);
    const answer = this.#registrations.register(region);
    if (answer < 0) return answer;
    region.leases = 1;
    return region;
  }

  /** Deregisters what nobody uses; answers how many regions that were. */
  flush(): number {
    let count = 0;
    while (this.#evictOldest()) count += 1;
    return count;
  }

  /** Reads the ring up to now. What fired leaves the index; deregistered where nobody uses it. */
  reap(): void {
    this.#slots.reap();
  }

  /** Gives back what is idle, and the cache's place among its relatives. */
  close(): void {
    this.flush();
    caches.delete(this);
  }

  #leaveIndex(region: Region): void {
    if (!region.cached) return;
    this.#index.remove(region);
    region.cached = false;
    this.#order.remove(region.slot);
    if (region.leases === 0) this.#idle -= 1;
  }

  /** Takes a cached region out of the index; what is leased lives on as a zombie. */
  #supersede(region: Region): void {
    this.#leaveIndex(region);
    if (region.leases === 0) this.#retire(region);
  }

  /**
   * The union of a range with the cached ranges that it overlaps, and with small ones beside it.
   * All that it overlaps leave the index: regions there are disjoint. A neighbour joins only where
   * it is no larger than what joins it: a byte is then registered again log n times, not n.
   */
  #absorb(range: Bounds): Bounds {
    const union = { ...range };
    const most = this.#registrations.bytesMost;
    const overlaps = (r: Region) => r.start < union.end && r.end > union.start;
    const beside = (r: Region) =>
      r.access === union.access &&
      r.bytes <= union.end - union.start &&
      r.bytes + union.end - union.start <= MERGE_BYTES_MAX;
    for (let again = true; again; ) {
      again = false;
      for (const region of this.#index.touching(union.start, union.end)) {
        const lower = Math.min(region.start, union.start);
        const upper = Math.max(region.end, union.end);
        const joins = upper - lower <= most;
        // One that left may have reaped others.
        if (!region.cached || !(overlaps(region) || (joins && beside(region)))) continue;
        this.#supersede(region);
        if (!joins) continue;
        union.start = lower;
        union.end = upper;
        union.access |= region.access;
        again = true;
      }
    }
    return union;
  }

  /** Rule R1: monitor, then register, then look. */
  #add({ start, end, access }: Bounds): Region | number {
    for (let attempt = 0; attempt <= RETRIES_MAX; attempt++) {
      if (attempt > 0) this.#counters.values[COUNT.retries] += 1;
      const region = new Region(start, end, access);
      region.leases = 1;
      if (this.#slots.watch(region) < 0) return UNCACHEABLE;
      const answer = this.#registrations.register(region);
      if (answer >= 0) this.look();
      if (answer >= 0 && region.valid) {
        region.cached = true;
        this.#index.insert(region);
        return region;
      }
      this.#retire(region);
      if (answer < 0) return answer;
    }
    return UNCACHEABLE;
  }

  /** Evicts at least so many bytes, from the relatives where we have no more; false: nothing left. */
  #makeRoom(bytes: number): boolean {
    const before = this.#counters.values[COUNT.bytesPinned];
    let evicted = false;
    while (before - this.#counters.values[COUNT.bytesPinned] < bytes && this.#evictOldest())
      evicted = true;
    if (evicted) return true;
    for (const cache of caches) if (cache !== this && cache.flush() > 0) evicted = true;
    return evicted;
  }

  #evictOldest(): boolean {
    if (this.#idle === 0) return false;
    let region = this.#slots.regionOf(this.#order.oldest)!;
    // Leased since: it comes back when its last lease ends.
    for (; region.leases > 0; region = this.#slots.regionOf(this.#order.oldest)!)
      this.#order.remove(region.slot);
    this.#counters.values[COUNT.evictions] += 1;
    this.#supersede(region);
    return true;
  }

  /** The end of a region that nobody uses and nobody can find. */
  #retire(region: Region): void {
    this.#slots.unwatch(region);
    this.#registrations.deregister(region);
  }
}
