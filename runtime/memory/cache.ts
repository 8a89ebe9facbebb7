/**
 * The registration cache: regions between a monitor and a domain. Regions in the index are disjoint. A
 * region whose memory changed leaves the index before a search can find it again.
 */

import { now } from '../base/clock.ts';
import { ENOMEM, isExhausted } from '../base/errno.ts';
import { COUNT, type Counters } from './counters.ts';
import { type Access, type DomainPort, NO_KEY, type Operation } from './domain.ts';
import { IntervalIndex } from './interval-index.ts';
import type { Budget } from './limits.ts';
import type { Monitor } from './monitor.ts';
import { NO_SLOT, Region } from './region.ts';
import { UseOrder } from './use-order.ts';

/** Times that a registration is made again because its memory changed meanwhile (rule R1). */
export const RETRIES_MAX = 3;

/** Bytes of a region at most that is made of regions beside each other. */
export const MERGE_BYTES_MAX = 2 ** 20;

/** Slots given up with one call when many have fired. */
export const REAP_BATCH = 256;

/** Milliseconds for which the cache does not ask again for a size that the kernel has refused. */
export const REFUSAL_MS = 1000;

/**
 * The answer of {@link RegistrationCache.obtain} for memory that can be registered but not cached:
 * it cannot be monitored, or changes too often.
 */
export const UNCACHEABLE = Number.MIN_SAFE_INTEGER;

/** Told when a limit is met: bytes that may be pinned, bytes needed. */
export type LimitMet = (limit: number, need: number) => void;

/**
 * Reads a word of the monitor's header, in the order of the program. x86 does not reorder loads, so
 * a plain one serves there; elsewhere it is Atomics.load, which is a call in V8 (7 ns). V8 keeps
 * plain loads of typed arrays behind every call before them, and posting an operation is one.
 */
const load: (words: Int32Array, index: number) => number =
  process.arch === 'x64' ? (words, index) => words[index] : Atomics.load;

interface Bounds {
  start: number;
  end: number;
  access: Access;
}

/** Caches of this thread. When one cache is refused memory, the others give up what they do not use. */
const caches = new Set<RegistrationCache>();

export class RegistrationCache {
  readonly budget: Budget;
  readonly #index = new IntervalIndex<Region>();
  readonly #order = new UseOrder();
  /** Cached regions without a lease. */
  #idle = 0;
  readonly #monitor: Monitor;
  readonly #port: DomainPort<Operation>;
  readonly #counters: Counters;
  readonly #limitMet: LimitMet;
  // The monitor's, copied for `look`.
  readonly #header: Int32Array;
  readonly #deltaIndex: number;
  readonly #busyIndex: number;
  readonly #fenceAlways: boolean;
  /** `user_delta` (low 32 bits) up to which the ring has been read. */
  #seen: number;
  /** The region of each slot in use. */
  readonly #regions: (Region | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #fired = new Uint32Array(REAP_BATCH);
  readonly #firedFlags = new Uint8Array(REAP_BATCH);
  /**
   * Bytes that were pinned when the kernel last refused, and until when the cache believes that refusal.
   */
  #refusedAt = Infinity;
  #refusedUntil = 0;

  constructor(
    monitor: Monitor,
    port: DomainPort<Operation>,
    budget: Budget,
    counters: Counters,
    limitMet: LimitMet,
  ) {
    this.#monitor = monitor;
    this.#port = port;
    this.#counters = counters;
    this.#limitMet = limitMet;
    this.budget = { ...budget, regions: Math.min(budget.regions, port.regionsMax) };
    this.#header = monitor.header;
    this.#deltaIndex = monitor.deltaIndex;
    this.#busyIndex = monitor.busyIndex;
    this.#fenceAlways = monitor.fenceAlways;
    this.#seen = Atomics.load(monitor.header, monitor.deltaIndex);
    caches.add(this);
  }

  /** Regions in the index. */
  get size(): number {
    return this.#index.size;
  }

  /** Of these the regions without a lease. */
  get idle(): number {
    return this.#idle;
  }

  /**
   * After this call the manager knows of every change before it (R2). When nothing changed the call is two
   * loads. It reads the busy word first, then `user_delta`: the monitor clears the busy word after it has
   * written `user_delta`.
   */
  look(): void {
    if (load(this.#header, this.#busyIndex) !== 0 || this.#fenceAlways) this.#monitor.fence();
    if (load(this.#header, this.#deltaIndex) !== this.#seen) this.reap();
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
   * Registers the range together with the cached ranges that it overlaps or touches, and caches it. The
   * caller has one lease on the region.
   * @returns the region, a negative errno, or UNCACHEABLE
   */
  obtain(start: number, end: number, access: Access): Region | number {
    // A range that can never fit must not evict everything else first.
    if (end - start > this.#bytesAllowed()) {
      this.#limitMet(this.#bytesAllowed(), end - start);
      return -ENOMEM;
    }
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

  /**
   * Registers the range for one operation. It is not monitored, and in no index. The caller has one lease
   * on the region.
   */
  registerOnce(start: number, end: number, access: Access): Region | number {
    const region = new Region(start, end, access);
    const answer = this.#register(region);
    if (answer < 0) return answer;
    region.leases = 1;
    return region;
  }

  /**
   * Deregisters regions that nobody uses.
   * @returns how many these were
   */
  flush(): number {
    let count = 0;
    while (this.#evictOldest()) count += 1;
    return count;
  }

  /**
   * Reads the ring up to now. Regions that fired leave the index, and are deregistered where nobody uses
   * them.
   */
  reap(): void {
    const monitor = this.#monitor;
    monitor.drain(this.#counters.reasons);
    const delta = Atomics.load(this.#header, this.#deltaIndex);
    const news = (delta - this.#seen) >>> 0;
    if (news > monitor.slots) this.#reapAll();
    else this.#reapRing(this.#seen >>> 0, news);
    this.#seen = delta;
  }

  /** Deregisters idle regions, and leaves the list of this thread's caches. */
  close(): void {
    this.flush();
    caches.delete(this);
  }

  #reapRing(from: number, count: number): void {
    const { ring, flags, slots } = this.#monitor;
    let batch = 0;
    for (let i = 0; i < count; i++) {
      const slot = ring[((from + i) & (slots - 1)) >>> 0];
      if (this.#regions[slot] === undefined || flags[slot] === 0) continue;
      this.#fired[batch++] = slot;
      if (batch === REAP_BATCH) batch = this.#reapBatch(batch);
    }
    this.#reapBatch(batch);
  }

  /**
   * Does as {@link #reapRing} where the ring went round. The flags say the same, at the cost of a scan.
   */
  #reapAll(): void {
    let batch = 0;
    for (let slot = 0; slot < this.#regions.length; slot++) {
      if (this.#regions[slot] === undefined || this.#monitor.flags[slot] === 0) continue;
      this.#fired[batch++] = slot;
      if (batch === REAP_BATCH) batch = this.#reapBatch(batch);
    }
    this.#reapBatch(batch);
  }

  /** Takes the regions of `#fired[0..count)` out of use (R3). Answers 0, the new count. */
  #reapBatch(count: number): 0 {
    if (count === 0) return 0;
    const answer = this.#monitor.unmonitorBatch(this.#fired, count, this.#firedFlags);
    const done = Math.max(answer, 0);
    for (let i = 0; i < count; i++) {
      const slot = this.#fired[i];
      const region = this.#regions[slot]!;
      region.valid = false;
      this.#leaveIndex(region);
      this.#regions[slot] = undefined;
      // A batch ends at the first slot that is not given up; those behind it go one by one.
      if (i < done || (i > done && this.#monitor.unmonitor(slot) >= 0)) this.#freeSlots.push(slot);
      else this.#slotLost();
      region.slot = NO_SLOT;
      this.#counters.values[COUNT.invalidations] += 1;
      if (region.leases === 0) this.#retire(region);
    }
    return 0;
  }

  #leaveIndex(region: Region): void {
    if (!region.cached) return;
    this.#index.remove(region);
    region.cached = false;
    this.#order.remove(region.slot);
    if (region.leases === 0) this.#idle -= 1;
  }

  /** Takes a cached region out of the index. A leased region lives on as a zombie. */
  #supersede(region: Region): void {
    this.#leaveIndex(region);
    if (region.leases === 0) this.#retire(region);
  }

  /**
   * The union of a range with the cached ranges that it overlaps, and with small ones beside it. All of
   * these leave the index, where regions are disjoint. A neighbour joins only where it is no larger than
   * the range that it joins. So a byte is registered again log n times, not n times.
   */
  #absorb(range: Bounds): Bounds {
    const union = { ...range };
    const most = Math.min(this.#port.regionBytesMax, this.#bytesAllowed());
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
        // The region that left may have caused others to be reaped.
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
      if (this.#watch(region) < 0) return UNCACHEABLE;
      const answer = this.#register(region);
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

  /** Monitors a region under a free slot: 0 or a negative errno. */
  #watch(region: Region): number {
    for (;;) {
      const slot = this.#takeSlot();
      if (slot === NO_SLOT) return -ENOMEM;
      this.#regions[slot] = region;
      const answer = this.#monitor.monitor(slot, region.start, region.bytes);
      if (answer >= 0) {
        region.slot = slot;
        return 0;
      }
      this.#regions[slot] = undefined;
      this.#freeSlots.push(slot);
      if (!isExhausted(answer) || !this.#evictOldest()) return answer;
    }
  }

  #takeSlot(): number {
    do {
      const slot = this.#freeSlots.pop();
      if (slot !== undefined) return slot;
      if (this.#regions.length < this.#monitor.slots) return this.#regions.push(undefined) - 1;
    } while (this.#evictOldest());
    return NO_SLOT;
  }

  /** Registers a region: 0 or a negative errno. Evicts for the budgets, and again on refusal. */
  #register(region: Region): number {
    const bytes = region.bytes;
    const values = this.#counters.values;
    while (values[COUNT.regions] >= this.budget.regions) if (!this.#evictOldest()) return -ENOMEM;
    if (values[COUNT.bytesPinned] + bytes > this.budget.bytes) {
      this.#limitMet(this.budget.bytes, values[COUNT.bytesPinned] + bytes);
      while (values[COUNT.bytesPinned] + bytes > this.budget.bytes)
        if (!this.#evictOldest()) return -ENOMEM;
    }
    for (;;) {
      const answer = this.#port.register(region.start, bytes, region.access);
      if (answer >= 0) {
        region.key = answer;
        this.#counters.pinned(bytes);
        return 0;
      }
      if (!isExhausted(answer)) return answer;
      this.#limitMet(values[COUNT.bytesPinned], values[COUNT.bytesPinned] + bytes);
      if (!this.#makeRoom(bytes)) {
        this.#refused(values[COUNT.bytesPinned] + bytes);
        return answer;
      }
    }
  }

  /**
   * Evicts at least so many bytes, from other caches where this one has no more.
   * @returns false where nothing is left to evict
   */
  #makeRoom(bytes: number): boolean {
    const before = this.#counters.values[COUNT.bytesPinned];
    let evicted = false;
    while (before - this.#counters.values[COUNT.bytesPinned] < bytes && this.#evictOldest())
      evicted = true;
    if (evicted) return true;
    for (const cache of caches) if (cache !== this && cache.flush() > 0) evicted = true;
    return evicted;
  }

  /**
   * The kernel refused, with nothing left to evict. For a while the cache evicts nothing for so many bytes.
   */
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

  #evictOldest(): boolean {
    if (this.#idle === 0) return false;
    let region = this.#regions[this.#order.oldest]!;
    // It was leased meanwhile: it comes back when its last lease ends.
    for (; region.leases > 0; region = this.#regions[this.#order.oldest]!)
      this.#order.remove(region.slot);
    this.#counters.values[COUNT.evictions] += 1;
    this.#supersede(region);
    return true;
  }

  /** Ends a region that nobody uses and nobody can find. */
  #retire(region: Region): void {
    if (region.slot !== NO_SLOT) this.#unwatch(region);
    if (region.key === NO_KEY) return;
    const answer = this.#port.deregister(region.key);
    region.key = NO_KEY;
    // A region that was not given back stays counted, because it is pinned.
    if (answer < 0) this.#counters.values[COUNT.deregistrationErrors] += 1;
    else this.#counters.pinned(-region.bytes);
  }

  #unwatch(region: Region): void {
    const slot = region.slot;
    region.slot = NO_SLOT;
    this.#regions[slot] = undefined;
    const fired = this.#monitor.unmonitor(slot);
    if (fired < 0) {
      this.#slotLost();
      return;
    }
    // Its entry in the ring must be read before the slot is used again: the ring has one place for
    // each slot, and an old entry must not be taken for the new region's.
    if (fired === 1) this.reap();
    this.#freeSlots.push(slot);
  }

  /** The monitor did not give a slot up: it may still fire, so it is never used again. */
  #slotLost(): void {
    this.#counters.values[COUNT.unmonitorErrors] += 1;
  }
}
