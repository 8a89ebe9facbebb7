/** A registration with its range. */
import type { Access } from './domain.ts';

/** `Region.slot` where the region is not monitored. */
export const NO_SLOT = -1;

/**
 * One registration. A cached one is in the interval index, where later leases find it. One that is leased
 * but not cached is a zombie: it lives until its last lease ends.
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
  /** Leases on it, and other holders. */
  leases = 0;
  /** Whether it is in the index, and may be leased. */
  cached = false;
  /** Registered for as long as its buffer lives: found by the buffer alone, in no index. */
  kept = false;
  /** False once its slot has fired: no operation may name it then. */
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
