/**
 * The monitor's slots: which region each of them watches, and which of them fired (rules R2 and R3).
 * A slot is free again only when nothing can fire it for the region that had it.
 */
import { ENOMEM, isExhausted } from '../base/errno.ts';
import { COUNT, type Counters } from './counters.ts';
import type { Monitor } from './monitor.ts';
import { NO_SLOT, type Region } from './region.ts';

/** Slots given up with one call when many have fired. */
export const REAP_BATCH = 256;

/**
 * Reads a word of the monitor's header, in the order of the program. x86 does not reorder loads, so
 * a plain one serves there; elsewhere it is Atomics.load, which is a call in V8 (7 ns). V8 keeps
 * plain loads of typed arrays behind every call before them, and posting an operation is one.
 */
const load: (words: Int32Array, index: number) => number =
  process.arch === 'x64' ? (words, index) => words[index] : Atomics.load;

/** What happens to regions whose slot is wanted back, or has fired. */
interface SlotUser {
  /** Gives one region's slot back; false: all are in use. */
  evictOldest(): boolean;
  /** The region's memory has changed; its slot is still the one that fired. */
  fired(region: Region): void;
  /** What fired has given its slot up. */
  invalidated(region: Region): void;
}

export class MonitorSlots {
  readonly #monitor: Monitor;
  readonly #counters: Counters;
  readonly #user: SlotUser;
  // The monitor's, copied for `look`.
  readonly #header: Int32Array;
  readonly #deltaIndex: number;
  readonly #busyIndex: number;
  readonly #fenceAlways: boolean;
  /** `user_delta` (low 32 bits) up to which the ring has been read. */
  #seen: number;
  /** The region of each slot in use. */
  readonly #regions: (Region | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #fired = new Uint32Array(REAP_BATCH);
  readonly #firedFlags = new Uint8Array(REAP_BATCH);

  constructor(monitor: Monitor, counters: Counters, user: SlotUser) {
    this.#monitor = monitor;
    this.#counters = counters;
    this.#user = user;
    this.#header = monitor.header;
    this.#deltaIndex = monitor.deltaIndex;
    this.#busyIndex = monitor.busyIndex;
    this.#fenceAlways = monitor.fenceAlways;
    this.#seen = Atomics.load(monitor.header, monitor.deltaIndex);
  }

  /** The region that a slot watches. */
  regionOf(slot: number): Region | undefined {
    return this.#regions[slot];
  }

  /**
   * Whatever changed before this call is known after it (R2): two loads when nothing did. First the
   * busy word, then `user_delta`: whoever clears the one has written the other.
   */
  look(): void {
    if (load(this.#header, this.#busyIndex) !== 0 || this.#fenceAlways) this.#monitor.fence();
    if (load(this.#header, this.#deltaIndex) !== this.#seen) this.reap();
  }

  /** Monitors a region under a free slot: 0 or a negative errno. */
  watch(region: Region): number {
    for (;;) {
      const slot = this.#take();
      if (slot === NO_SLOT) return -ENOMEM;
      this.#regions[slot] = region;
      const answer = this.#monitor.monitor(slot, region.start, region.bytes);
      if (answer >= 0) {
        region.slot = slot;
        return 0;
      }
      this.#regions[slot] = undefined;
      this.#free.push(slot);
      if (!isExhausted(answer) || !this.#user.evictOldest()) return answer;
    }
  }

  #take(): number {
    do {
      const slot = this.#free.pop();
      if (slot !== undefined) return slot;
      if (this.#regions.length < this.#monitor.slots) return this.#regions.push(undefined) - 1;
    } while (this.#user.evictOldest());
    return NO_SLOT;
  }

  /** Ends the watch over a region, if there is one. */
  unwatch(region: Region): void {
    const { slot } = region;
    if (slot === NO_SLOT) return;
    region.slot = NO_SLOT;
    this.#regions[slot] = undefined;
    const fired = this.#monitor.unmonitor(slot);
    if (fired < 0) {
      this.#lost();
      return;
    }
    // Its entry in the ring must be read before the slot is used again: the ring has one place for
    // each slot, and an old entry must not be taken for the new region's.
    if (fired === 1) this.reap();
    this.#free.push(slot);
  }

  /** The monitor did not give a slot up: it may still fire, so it is never used again. */
  #lost(): void {
    this.#counters.values[COUNT.unmonitorErrors] += 1;
  }

  /** Reads the ring up to now. */
  reap(): void {
    const monitor = this.#monitor;
    monitor.drain(this.#counters.reasons);
    const delta = Atomics.load(this.#header, this.#deltaIndex);
    const news = (delta - this.#seen) >>> 0;
    if (news > monitor.slots) this.#reapAll();
    else this.#reapRing(this.#seen >>> 0, news);
    this.#seen = delta;
  }

  #reapRing(from: number, count: number): void {
    const { ring, slots } = this.#monitor;
    let batch = 0;
    for (let i = 0; i < count; i++)
      batch = this.#gather(ring[((from + i) & (slots - 1)) >>> 0], batch);
    this.#giveUp(batch);
  }

  /** As {@link #reapRing} where the ring went round; the flags say the same, at the cost of a scan. */
  #reapAll(): void {
    let batch = 0;
    for (let slot = 0; slot < this.#regions.length; slot++) batch = this.#gather(slot, batch);
    this.#giveUp(batch);
  }

  /** Adds a slot to the batch if it has fired; answers how many are in it now. */
  #gather(slot: number, batch: number): number {
    if (this.#regions[slot] === undefined || this.#monitor.flags[slot] === 0) return batch;
    this.#fired[batch] = slot;
    if (batch + 1 < REAP_BATCH) return batch + 1;
    this.#giveUp(REAP_BATCH);
    return 0;
  }

  /** Takes the regions of `#fired[0..count)` out of use (R3). */
  #giveUp(count: number): void {
    if (count === 0) return;
    const answer = this.#monitor.unmonitorBatch(this.#fired, count, this.#firedFlags);
    const done = Math.max(answer, 0);
    for (let i = 0; i < count; i++) {
      const slot = this.#fired[i];
      const region = this.#regions[slot]!;
      region.valid = false;
      this.#user.fired(region);
      this.#regions[slot] = undefined;
      // A batch ends at the first slot that is not given up; those behind it go one by one.
      if (i < done || (i > done && this.#monitor.unmonitor(slot) >= 0)) this.#free.push(slot);
      else this.#lost();
      region.slot = NO_SLOT;
      this.#counters.values[COUNT.invalidations] += 1;
      this.#user.invalidated(region);
    }
  }
}
