// Symbol.dispose, for programs without Node's types.
/// <reference lib="esnext.disposable" preserve="true" />
/** A lease: the right to post operations on a view's memory until it is released. */
import type { Access } from './domain.ts';
import type { BufferRecord, Region } from './region.ts';
import type { Elements, View } from './view.ts';

/** The right to post operations on a view's memory. While it lives, its buffer is not collected. */
export interface Lease {
  /** The leased view; undefined after `release`. Of a DataView it is a Uint8Array of the same bytes. */
  readonly view: View | undefined;
  /** Length of the view when it was leased, in bytes. */
  readonly byteLength: number;
  /** What operations may do with the memory: a sum of {@link ACCESS} bits. */
  readonly access: Access;
  /**
   * Whether the lease has a registration. A lease without one serves its operations all the same, but
   * slower: each is registered for itself, or goes through bounce buffers.
   */
  readonly registered: boolean;
  /**
   * Ends the lease. Call it when all its operations are done. A second call does nothing.
   * @throws MpiError ERR_SYSTEM as `close` of its manager, where that was called and this is the last lease
   */
  release(): void;
  /** Ends the lease at the end of a block, with `using`. */
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
 * A lease with the parts that only the manager may see. The manager has a list of the living leases. The
 * list holds the ArrayBuffers strongly (rule R4), even if the program loses a lease.
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
