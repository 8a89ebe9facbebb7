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
  /** False from when its slot fired on: must not be named by an operation. */
  valid = true;
  /** Neighbours in the idle list. */
  older: Region | undefined = undefined;
  newer: Region | undefined = undefined;

  constructor(start: number, end: number, access: Access) {
    this.start = start;
    this.end = end;
    this.access = access;
  }

  get bytes(): number {
    return this.end - this.start;
  }

  covers(start: number, end: number, access: Access): boolean {
    return start >= this.start && end <= this.end && (access & ~this.access) === 0;
  }
}

/** The cached regions without a lease, least recently used first. */
export class IdleList {
  #oldest: Region | undefined;
  #newest: Region | undefined;
  #size = 0;

  get oldest(): Region | undefined {
    return this.#oldest;
  }

  get size(): number {
    return this.#size;
  }

  push(region: Region): void {
    region.older = this.#newest;
    if (this.#newest) this.#newest.newer = region;
    else this.#oldest = region;
    this.#newest = region;
    this.#size += 1;
  }

  remove(region: Region): void {
    if (region.older) region.older.newer = region.newer;
    else this.#oldest = region.newer;
    if (region.newer) region.newer.older = region.older;
    else this.#newest = region.older;
    region.older = undefined;
    region.newer = undefined;
    this.#size -= 1;
  }
}
