// Symbol.dispose, for programs without Node's types.
/// <reference lib="esnext.disposable" preserve="true" />
/** A lease: the right to post operations on a view's memory until it is released. */
import type { Access } from './domain.ts';
import type { BufferRecord, Region } from './region.ts';
import type { Elements, View } from './view.ts';

export interface Lease {
  /** The leased bytes; undefined after `release`. A DataView is seen here as a Uint8Array. */
  readonly view: View | undefined;
  readonly byteLength: number;
  readonly access: Access;
  /**
   * Whether a registration stands behind the lease. Where not, the operations posted on it are
   * served all the same: registered one by one, or through bounce buffers.
   */
  readonly registered: boolean;
  /** Ends the lease. Once all its operations are done; a second call does nothing. */
  release(): void;
  [Symbol.dispose](): void;
}

/** How operations of a lease without a region are served. */
export const SERVICE_MODE = {
  /** By the lease's region. */
  region: 0,
  /** Registered for each operation. */
  once: 1,
  /** Longer than a registration can be: piece by piece, each with a lease of its own. */
  pieces: 2,
  /** Through bounce buffers. */
  bounce: 3,
} as const;

export type ServiceMode = (typeof SERVICE_MODE)[keyof typeof SERVICE_MODE];

/** The manager as its leases see it. */
export interface Lender {
  release(lease: LeaseRecord): void;
}

/**
 * The lease with what only the manager may see. Living leases are in a list of the manager's: that
 * holds the ArrayBuffer strongly (rule R4) even if the program loses the lease.
 */
export class LeaseRecord implements Lease {
  view: Elements | undefined;
  /** Elements that the view had when it was leased, and their bytes. */
  length = 0;
  byteLength = 0;
  access: Access = 0;
  mode: ServiceMode = SERVICE_MODE.region;
  lender: Lender;
  buffer: BufferRecord | undefined;
  region: Region | undefined;
  /** Regions of operations posted before, which end with the lease. */
  earlier: Region[] | undefined;
  /** Its place in the manager's list while it lives. */
  place = 0;

  constructor(lender: Lender) {
    this.lender = lender;
  }

  get registered(): boolean {
    return this.region !== undefined;
  }

  release(): void {
    if (this.view !== undefined) this.lender.release(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
