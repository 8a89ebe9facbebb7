/** A registration with its range, and the order in which registrations were used. */
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

/** Slots that a {@link UseOrder} has room for at first; it grows as they are used. */
const SLOTS_FIRST = 256;
/** Links of a slot: the one used before it and the one used after it. */
const OLDER = 0;
const NEWER = 1;
/** In place of a link: the slot is not in the order. */
const ABSENT = -2;

/**
 * The slots of cached regions in the order of their last use. One that is leased again stays where
 * it was until the lease ends: what is leased again and again costs nothing while nobody else is.
 * The links lie in one array, not in the regions: to move one touches none of the others' objects.
 */
export class UseOrder {
  #links = new Int32Array(SLOTS_FIRST * 2).fill(ABSENT);
  #oldest = NO_SLOT;
  #newest = NO_SLOT;

  /** NO_SLOT where there is none. */
  get oldest(): number {
    return this.#oldest;
  }

  /** The slot was used just now. */
  use(slot: number): void {
    if (slot !== this.#newest) this.#append(slot);
  }

  /** Takes a slot out, if it is there. */
  remove(slot: number): void {
    const links = this.#links;
    const older = links[slot * 2 + OLDER];
    if (older === ABSENT || older === undefined) return;
    const newer = links[slot * 2 + NEWER];
    if (older === NO_SLOT) this.#oldest = newer;
    else links[older * 2 + NEWER] = newer;
    if (newer === NO_SLOT) this.#newest = older;
    else links[newer * 2 + OLDER] = older;
    links[slot * 2 + OLDER] = ABSENT;
  }

  #append(slot: number): void {
    if (slot * 2 >= this.#links.length) this.#grow(slot);
    this.remove(slot);
    const links = this.#links;
    const newest = this.#newest;
    links[slot * 2 + OLDER] = newest;
    links[slot * 2 + NEWER] = NO_SLOT;
    if (newest === NO_SLOT) this.#oldest = slot;
    else links[newest * 2 + NEWER] = slot;
    this.#newest = slot;
  }

  #grow(slot: number): void {
    let length = this.#links.length;
    while (length <= slot * 2) length *= 2;
    const larger = new Int32Array(length).fill(ABSENT, this.#links.length);
    larger.set(this.#links);
    this.#links = larger;
  }
}
