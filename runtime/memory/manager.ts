import { addon, type Watcher } from '../../native/addon.ts';
import { pagesAddon } from '../../native/pages.ts';
import { byteOffsetOf, isTypedArray, lengthOf } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';
import { BufferRecords } from './buffers.ts';
import { RETRIES_MAX, RegistrationCache } from './cache.ts';
import { COUNT, Counters, type Stats } from './counters.ts';
import { ACCESS, type Access, type Domain, type DomainPort, type Operation } from './domain.ts';
import { Audit, auditedPort, type Gate, openGate, STALE } from './gate.ts';
import { type Lease, LeaseRecord, SERVICE_MODE, type ServiceMode } from './lease.ts';
import { budgetOf, type Limits } from './limits.ts';
import type { Monitor } from './monitor.ts';
import { limitNotice, type Notice, printOnce } from './notice.ts';
import { OWNED, ownerWord } from './owner.ts';
import { PermanentRegions } from './permanent.ts';
import type { BufferRecord, Region } from './region.ts';
import { UncachedPath } from './uncached.ts';
import {
  assertAttached,
  byteLengthOf,
  changed,
  type Elements,
  inside,
  outside,
  plainView,
  type View,
} from './view.ts';

/** What a {@link PinnedMemoryManager} is made of. */
export interface ManagerOptions<O extends Operation> {
  /** Tells that memory changed. The manager closes it. */
  monitor: Monitor;
  /** Registers. The manager closes the domain's port. */
  domain: Domain<O>;
  /** How much may be registered. */
  limits?: Limits;
  /** Called with one line of text when a limit is met for the first time. Default: writes to standard error. */
  notice?: Notice;
  /** Counts posts and looks, and fails where they differ. Default: whether DREG_AUDIT is 1. */
  audit?: boolean;
  /** @internal Where a buffer lies; for tests with an address space of their own. */
  addressOf?: (view: View) => number;
}

/** Stands in for the owner's word when the manager is closed. */
const CLOSED = new Int32Array(1);

/**
 * A cache of registrations that are never stale. It belongs to the thread and to the process that made it.
 * It does not keep the process alive.
 */
export class PinnedMemoryManager<O extends Operation = Operation> {
  readonly #monitor: Monitor;
  readonly #port: DomainPort<O>;
  readonly #cache: RegistrationCache;
  readonly #gate: Gate<O>;
  readonly #counters = new Counters();
  readonly #uncached: UncachedPath<O>;
  readonly #permanent: PermanentRegions;
  readonly #domainName: string;
  readonly #audit: Audit | undefined;
  readonly #buffers: BufferRecords;
  readonly #watcher: Watcher | undefined;
  /** The living leases (R4); each knows its place. */
  readonly #leases: LeaseRecord[] = [];
  /** OWNED at [0] while this process may use the manager. */
  #alive = ownerWord();
  #closing = false;

  /**
   * Takes the monitor and the domain, which belong to this manager from then on.
   * @throws MpiError ERR_ARG where the domain has a manager already, or a limit has no such value
   */
  constructor(options: ManagerOptions<O>) {
    const { monitor, domain } = options;
    const pageBytes = pagesAddon().pageSize();
    this.#monitor = monitor;
    this.#domainName = domain.name;
    const addressOf = options.addressOf ?? ((view: View) => addon().addressOf(view));
    const budget = budgetOf(options.limits ?? {});
    const audited = options.audit ?? process.env.DREG_AUDIT === '1';
    this.#audit = audited ? new Audit() : undefined;
    const port = domain.attach();
    this.#port = this.#audit ? auditedPort(port, this.#audit) : port;
    this.#cache = new RegistrationCache(
      monitor,
      this.#port as DomainPort<Operation>,
      budget,
      this.#counters,
      limitNotice(options.notice ?? printOnce, () => this.#cache.budget),
    );
    this.#gate = openGate(this.#cache, this.#port, this.#audit);
    this.#uncached = new UncachedPath<O>({
      cache: this.#cache,
      port: this.#port,
      gate: this.#gate,
      counters: this.#counters,
      pageBytes,
      addressOf,
      acquire: (view, access) => this.acquire(view, access),
      post: (operation, lease) => this.post(operation, lease),
    });
    this.#buffers = new BufferRecords({
      cache: this.#cache,
      monitor,
      port: this.#port,
      counters: this.#counters,
      pageBytes,
      addressOf,
    });
    this.#permanent = new PermanentRegions({
      cache: this.#cache,
      buffers: this.#buffers,
      pageBytes,
      regionBytesMax: this.#port.regionBytesMax,
      mayEnd: () => this.#alive[0] === OWNED,
    });
    this.#watcher = this.#watch();
  }

  /**
   * Leases the memory of a view. A view whose registration is cached costs no system call.
   * @param access a sum of {@link ACCESS} bits: what operations may do with the memory
   * @param reuse a released lease of this manager that the caller owns; with it a hit allocates nothing
   * @throws MpiError ERR_BUFFER for a detached buffer or a view out of its bounds; ERR_ARG for a value that is no
   *   view; ERR_CLOSED, ERR_FORKED
   */
  acquire(view: View, access: Access = ACCESS.localWrite, reuse?: Lease): Lease {
    if (this.#alive[0] !== OWNED) this.#refuse();
    const lease = reuse === undefined ? new LeaseRecord(this) : this.#reusable(reuse);
    if (!isTypedArray(view)) return this.#acquireMissed(plainView(view), access, lease);
    const bytes = view as Elements;
    const length = lengthOf(bytes);
    const record = this.#buffers.get(bytes);
    if (record === undefined || length === 0) return this.#acquireMissed(bytes, access, lease);
    this.#cache.look();
    let region = record.region;
    if (record.whole && region?.lendable && region.allows(access))
      this.#counters.values[COUNT.hitsIdentity] += 1;
    else region = this.#buffers.find(bytes, byteLengthOf(bytes, length), access, record);
    if (region === undefined) return this.#acquireMissed(bytes, access, lease);
    this.#cache.hold(region);
    return this.#lend(lease, bytes, length, access, record, region, SERVICE_MODE.region);
  }

  /**
   * Posts an operation on a part of a lease. There is no other way to the domain: before each post the
   * manager looks whether the memory has changed (rule R2).
   * @param offset first byte within the lease
   * @param length bytes; default: the rest of the lease
   * @returns a value >= 0 where the operation is under way: `operation.done` will be called. A negative errno
   *   where it is not: EAGAIN where the domain's queue is full, ENOBUFS where an operation that cannot be
   *   divided has no registration
   * @throws MpiError ERR_REQUEST for a released lease; ERR_BUFFER for a buffer that was detached, shrunk or resized
   *   since it was leased; ERR_COUNT for a range outside of the lease; ERR_ARG for an access that was not leased;
   *   ERR_CLOSED, ERR_FORKED
   */
  post(operation: O, lease: Lease, offset = 0, length = lease.byteLength - offset): number {
    const record = lease as LeaseRecord;
    if (this.#alive[0] !== OWNED) this.#refuse();
    const view = record.view;
    if (view === undefined || record.lender !== this) throw notOurs(view);
    if (lengthOf(view) !== record.length) throw changed(record.byteLength, view);
    if (!inside(offset, length, record.byteLength))
      throw outside(offset, length, record.byteLength);
    if (operation.direction === 'in' && (record.access & ACCESS.localWrite) === 0)
      throw new MpiError(
        'ERR_ARG',
        'the operation would write into memory that was leased for reading: acquire it with ACCESS.localWrite',
      );
    const region = record.region;
    if (region !== undefined) {
      const address = record.buffer!.base + byteOffsetOf(view) + offset;
      const answer = this.#gate.post(operation, region, address, length);
      if (answer !== STALE) return answer;
      if (this.#renew(record)) return this.post(operation, lease, offset, length);
    }
    return this.#uncached.post(operation, record, offset, length);
  }

  /**
   * Registers a whole buffer for as long as the buffer lives, whatever the monitor. No lease is needed for
   * that, the registration is never evicted, and leases of any view of the buffer cost nothing. This is for
   * memory whose owner unmaps it only when nobody uses it any more, such as that of `MPI.allocate`.
   * @returns a function that ends the registration, if the collector has not done so before; null where the
   *   buffer cannot be registered, and is leased as any other memory
   * @throws MpiError ERR_ARG for a value that is no buffer; ERR_BUFFER for a detached or resizable buffer;
   *   ERR_CLOSED, ERR_FORKED
   */
  keep(buffer: ArrayBufferLike, access: Access): (() => void) | null {
    if (this.#alive[0] !== OWNED) this.#refuse();
    return this.#permanent.keep(buffer, access);
  }

  /** Counters: what has happened so far, and what there is now. @throws nothing */
  stats(): Stats {
    const { budget, idle } = this.#cache;
    return {
      ...this.#counters.snapshot(),
      monitor: this.#monitor.name,
      domain: this.#domainName,
      leases: this.#leases.length,
      regionsIdle: idle,
      bytesLimit: budget.bytes,
      regionsLimit: budget.regions,
      bytesLimitSource: budget.source,
      ...(this.#audit && { audit: this.#audit.counts }),
    };
  }

  /**
   * Deregisters every cached region that is not leased.
   * @returns how many regions these were
   * @throws MpiError ERR_CLOSED, ERR_FORKED
   */
  flush(): number {
    if (this.#alive[0] !== OWNED) this.#refuse();
    this.#cache.look();
    return this.#cache.flush();
  }

  /**
   * Ends the manager. It leases nothing from now on. Leased memory stays registered until its lease ends. With
   * the last lease the monitor and the domain's port are closed. A second call does nothing.
   * @throws MpiError ERR_SYSTEM where registrations or slots could not be given back, once all is closed
   */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    const owned = this.#alive[0] === OWNED;
    this.#alive = CLOSED;
    this.#watcher?.close();
    // A forked child must not touch what it shares with its parent.
    if (!owned) return;
    this.#cache.flush();
    if (this.#leases.length === 0) this.#end();
  }

  /** Ends the manager at the end of a block, with `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Ends a lease; leases call it. */
  release(lease: LeaseRecord): void {
    const last = this.#leases.pop()!;
    if (last !== lease) {
      this.#leases[lease.place] = last;
      last.place = lease.place;
    }
    lease.view = undefined;
    const region = lease.region;
    lease.region = undefined;
    // In a forked child keys and slots are the parent's.
    if (this.#alive[0] !== OWNED && !this.#closing) return;
    if (region !== undefined) this.#cache.drop(region);
    if (lease.earlier !== undefined) {
      for (const earlier of lease.earlier) this.#cache.drop(earlier);
      lease.earlier = undefined;
    }
    if (this.#closing) this.#releasedLate();
  }

  #releasedLate(): void {
    if (ownerWord()[0] !== OWNED) return;
    this.#cache.flush();
    if (this.#leases.length === 0) this.#end();
  }

  #end(): void {
    this.#uncached.close();
    this.#permanent.close();
    this.#cache.close();
    this.#monitor.close();
    this.#port.close();
    const { values } = this.#counters;
    const registrations = values[COUNT.deregistrationErrors];
    const slots = values[COUNT.unmonitorErrors];
    if (registrations + slots > 0)
      throw new MpiError(
        'ERR_SYSTEM',
        `${registrations} registrations and ${slots} slots of the monitor could not be given back; ` +
          'closing the domain and the monitor ended what they held',
      );
  }

  /** Not cached, as far as is known: met for the first time, registered, or leased without. */
  #acquireMissed(view: Elements, access: Access, lease: LeaseRecord): Lease {
    const length = lengthOf(view);
    if (length === 0) {
      assertAttached(view);
      return this.#lend(lease, view, 0, access, undefined, undefined, SERVICE_MODE.once);
    }
    const record = this.#buffers.of(view);
    const found = this.#buffers.obtain(view, byteLengthOf(view, length), access, record);
    const region = typeof found === 'number' ? undefined : found;
    const mode = typeof found === 'number' ? found : SERVICE_MODE.region;
    return this.#lend(lease, view, length, access, record, region, mode);
  }

  #lend(
    lease: LeaseRecord,
    view: Elements,
    length: number,
    access: Access,
    record: BufferRecord | undefined,
    region: Region | undefined,
    mode: ServiceMode,
  ): Lease {
    lease.view = view;
    lease.length = length;
    lease.byteLength = byteLengthOf(view, length);
    lease.access = access;
    lease.buffer = record;
    lease.region = region;
    lease.mode = mode;
    lease.place = this.#leases.push(lease) - 1;
    return lease;
  }

  #reusable(reuse: Lease): LeaseRecord {
    const lease = reuse as LeaseRecord;
    if (lease.view === undefined && lease.lender === this) return lease;
    throw new MpiError(
      'ERR_ARG',
      'a lease can be used again only after its release, and only by its own manager',
    );
  }

  /**
   * The region of a lease is stale: the lease gets another region. Operations that were posted on the old
   * region may be under way, so the old region lives as long as the lease. False: there is no other region,
   * and the lease goes on without one.
   */
  #renew(lease: LeaseRecord): boolean {
    lease.earlier ??= [];
    lease.earlier.push(lease.region!);
    lease.region = undefined;
    this.#counters.values[COUNT.renewals] += 1;
    if (lease.earlier.length > RETRIES_MAX) {
      lease.mode = SERVICE_MODE.once;
      return false;
    }
    const found = this.#buffers.obtain(lease.view!, lease.byteLength, lease.access, lease.buffer!);
    if (typeof found === 'number') lease.mode = found;
    else lease.region = found;
    return lease.region !== undefined;
  }

  /** R5: freed memory is unpinned although the program does not communicate. */
  #watch(): Watcher | undefined {
    if (this.#monitor.wakeFd < 0) return undefined;
    const { Watcher } = addon();
    const watcher = new Watcher(this.#monitor.wakeFd, false, () => {
      if (this.#alive[0] === OWNED) this.#cache.reap();
    });
    watcher.unref();
    return watcher;
  }

  #refuse(): never {
    if (this.#closing)
      throw new MpiError('ERR_CLOSED', 'this pinned-memory manager was closed: make another');
    throw new MpiError(
      'ERR_FORKED',
      'a forked child cannot use the pinned-memory manager of its parent: make one in the child',
    );
  }
}

function notOurs(view: View | undefined): MpiError {
  return view === undefined
    ? new MpiError('ERR_REQUEST', 'this lease was released: acquire another')
    : new MpiError(
        'ERR_ARG',
        'this lease belongs to another manager: post on the manager that gave it',
      );
}
