/** A registration with its range, and the list of those that nobody uses just now. */
import type { Access } from './domain.ts';

/** `Region.slot` where the region is not monitored. */
export const NO_SLOT = -1;

/**
 * One registration. Cached: in the interval index, to be found by later leases. Not cached but
 * leased: a zombie, which lives until its last lease ends.
 */
export class Region {
  /** First byte and the byte behind the last; page-aligned. */
  readonly start: number;
  readonly end: number;
  readonly access: Access;
  /** The monitor's slot, NO_SLOT where the region is not monitored. */
  slot = NO_SLOT;
  /** The domain's key; NO_KEY before it is registered and after it is deregistered. */
  key = -1;
  /** Leases on it, and others who hold it. */
  leases = 0;
  /** In the index: may be leased. */
  cached = false;
  /** Registered for as long as its buffer lives: found by the buffer alone, in no index. */
  kept = false;
  /** False from when its slot fired on: must not be named by an operation. */
  valid = true;

  constructor(start: number, end: number, access: Access) {
    this.start = start;
    this.end = end;
    this.access = access;
  }

  get bytes(): number {
    return this.end - this.start;
  }

  /** Whether a buffer that knows it may lease it again. */
  get lendable(): boolean {
    return this.cached || this.kept;
  }

  covers(start: number, end: number): boolean {
    return start >= this.start && end <= this.end;
  }

  allows(access: Access): boolean {
    return (access & ~this.access) === 0;
  }
}

/** Slots that an {@link IdleList} has room for at first; it grows as they are used. */
const IDLE_SLOTS_FIRST = 256;

/**
 * The slots of cached regions without a lease, least recently used first. The links lie in arrays,
 * not in the regions: to take one out then touches none of its neighbours' objects.
 */
export class IdleList {
  #older = new Int32Array(IDLE_SLOTS_FIRST);
  #newer = new Int32Array(IDLE_SLOTS_FIRST);
  #oldest = NO_SLOT;
  #newest = NO_SLOT;
  #size = 0;

  /** NO_SLOT where the list is empty. */
  get oldest(): number {
    return this.#oldest;
  }

  get size(): number {
    return this.#size;
  }

  push(slot: number): void {
    if (slot >= this.#older.length) this.#grow(slot);
    const newest = this.#newest;
    this.#older[slot] = newest;
    this.#newer[slot] = NO_SLOT;
    if (newest === NO_SLOT) this.#oldest = slot;
    else this.#newer[newest] = slot;
    this.#newest = slot;
    this.#size += 1;
  }

  /** Takes out a slot that is in the list. */
  remove(slot: number): void {
    const older = this.#older[slot];
    const newer = this.#newer[slot];
    if (older === NO_SLOT) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NO_SLOT) this.#newest = older;
    else this.#older[newer] = older;
    this.#size -= 1;
  }

  #grow(slot: number): void {
    let length = this.#older.length;
    while (length <= slot) length *= 2;
    this.#older = enlarged(this.#older, length);
    this.#newer = enlarged(this.#newer, length);
  }
}

function enlarged(links: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(links);
  return larger;
}
