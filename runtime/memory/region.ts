/** A registration with its range, and which buffer had it last. */
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
  permanent = false;
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
    return this.cached || this.permanent;
  }

  covers(start: number, end: number): boolean {
    return start >= this.start && end <= this.end;
  }

  allows(access: Access): boolean {
    return (access & ~this.access) === 0;
  }
}

/** What is known of an ArrayBuffer: where it lies, and its region. */
export interface BufferRecord {
  /** Address of the buffer's first byte; it does not move while the buffer is attached. */
  readonly base: number;
  /** Bytes from there that any view of the buffer can reach, now or after it grows. */
  readonly reach: number;
  /** That covered the buffer, or a part of it, last; tried first the next time. */
  region: Region | undefined;
  /** `region` covers all of it: whatever the view, its bounds need not be compared. */
  whole: boolean;
}

/** The region was found for `length` bytes at `offset` of the buffer. */
export function remember(
  record: BufferRecord,
  region: Region,
  offset: number,
  length: number,
): void {
  if (record.region?.permanent) return;
  record.region = region;
  record.whole = offset === 0 && length === record.reach;
}
