/** The pinned-memory manager: leases on registrations that are never stale. docs/internals/registration-cache.md */
import { types } from 'node:util';
import { addon, type Watcher } from '../../native/addon.ts';
import { pagesAddon } from '../../native/pages.ts';
import {
  bufferOf,
  byteOffsetOf,
  isTypedArray,
  lengthOf,
  memoryLengthOf,
  reachOf,
} from '../base/bytes.ts';
import { isExhausted } from '../base/errno.ts';
import { MpiError } from '../base/error.ts';
import { RETRIES_MAX, RegistrationCache } from './cache.ts';
import { COUNT, Counters, type Stats } from './counters.ts';
import { ACCESS, type Access, type Domain, type DomainPort, type Operation } from './domain.ts';
import { Audit, AuditedGate, auditedPort, Gate, STALE } from './gate.ts';
import {
  type BufferRecord,
  type Lease,
  LeaseRecord,
  SERVICE_MODE,
  type ServiceMode,
} from './lease.ts';
import { budgetOf, type Limits } from './limits.ts';
import type { Monitor } from './monitor.ts';
import { formatBytes, type Notice, printOnce } from './notice.ts';
import { OWNED, ownerWord } from './owner.ts';
import { PermanentRegions } from './permanent.ts';
import type { Region } from './region.ts';
import { UncachedPath } from './uncached.ts';
import {
  assertAttached,
  byteLengthOf,
  changed,
  type Elements,
  inside,
  outside,
  plainView,
  unfit,
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
  readonly #slow: UncachedPath<O>;
  readonly #kept: PermanentRegions;
  readonly #addressOf: (view: View) => number;
  readonly #pageBytes: number;
  readonly #domainName: string;
  readonly #notice: Notice;
  readonly #audit: Audit | undefined;
  readonly #known = new WeakMap<ArrayBufferLike, BufferRecord>();
  readonly #watcher: Watcher | undefined;
  /** The living leases (R4); each knows its place. */
  readonly #leases: LeaseRecord[] = [];
  /** OWNED at [0] while this process may use the manager. */
  #alive = ownerWord();
  #closing = false;
  #told = false;

  /**
   * Takes the monitor and the domain, which belong to this manager from then on.
   * @throws MpiError ERR_ARG where the domain has a manager already, or a limit has no such value
   */
  constructor(options: ManagerOptions<O>) {
    const { monitor, domain } = options;
    this.#pageBytes = pagesAddon().pageSize();
    this.#monitor = monitor;
    this.#domainName = domain.name;
    this.#notice = options.notice ?? printOnce;
    this.#addressOf = options.addressOf ?? ((view) => addon().addressOf(view));
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
      (limit, need) => this.#tell(limit, need),
    );
    this.#gate = this.#audit
      ? new AuditedGate(this.#cache, this.#port, this.#audit)
      : new Gate(this.#cache, this.#port);
    this.#slow = new UncachedPath<O>({
      cache: this.#cache,
      port: this.#port,
      gate: this.#gate,
      counters: this.#counters,
      pageBytes: this.#pageBytes,
      addressOf: this.#addressOf,
      acquire: (view, access) => this.acquire(view, access),
      post: (operation, lease) => this.post(operation, lease),
    });
    this.#kept = new PermanentRegions(this.#cache, () => this.#alive[0] === OWNED);
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
    if (!isTypedArray(view)) return this.#acquireSlowly(plainView(view), access, lease);
    const bytes = view as Elements;
    const length = lengthOf(bytes);
    const known = this.#known.get(bufferOf(bytes));
    if (known === undefined || length === 0) return this.#acquireSlowly(bytes, access, lease);
    this.#cache.look();
    let region = known.region;
    if (known.whole && region?.lendable && region.allows(access))
      this.#counters.values[COUNT.hitsIdentity] += 1;
    else region = this.#seek(bytes, byteLengthOf(bytes, length), access, known);
    if (region === undefined) return this.#acquireSlowly(bytes, access, lease);
    this.#cache.hold(region);
    return this.#lend(lease, bytes, length, access, known, region, SERVICE_MODE.region);
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
      const address = record.known!.base + byteOffsetOf(view) + offset;
      const answer = this.#gate.post(operation, region, address, length);
      if (answer !== STALE) return answer;
      if (this.#renew(record)) return this.post(operation, lease, offset, length);
    }
    return this.#slow.post(operation, record, offset, length);
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
    if (!types.isAnyArrayBuffer(buffer))
      throw new MpiError(
        'ERR_ARG',
        'only an ArrayBuffer or SharedArrayBuffer can be kept registered',
      );
    const length = memoryLengthOf(buffer);
    if (length === 0 || reachOf(buffer) !== length) throw unfit(length);
    const known = this.#known.get(buffer) ?? this.#meet(new Uint8Array(buffer, 0, 1));
    if (known.region?.kept && known.region.allows(access)) return this.#kept.enderOf(known.region);
    const page = this.#pageBytes;
    const start = known.base - (known.base % page);
    const end = Math.ceil((known.base + length) / page) * page;
    if (end - start > this.#port.regionBytesMax) return null;
    const region = this.#cache.registerOnce(start, end, access);
    if (typeof region === 'number') return null;
    region.kept = true;
    remember(known, region, 0, length);
    this.#kept.add(buffer, region);
    return this.#kept.enderOf(region);
  }

  /** Counters: what has happened so far, and what there is now. */
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
      ...(this.#audit && {
        audit: {
          posts: this.#audit.posts,
          checks: this.#audit.checks,
          refused: this.#audit.refused,
        },
      }),
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
    this.#slow.close();
    this.#kept.close();
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

  /** A cached region for a part of a known buffer: the one it had last, or by address. */
  #seek(view: Elements, length: number, access: Access, known: BufferRecord): Region | undefined {
    const offset = byteOffsetOf(view);
    const start = known.base + offset;
    const end = start + length;
    const last = known.region;
    if (last?.lendable && last.allows(access) && last.covers(start, end)) {
      this.#counters.values[COUNT.hitsIdentity] += 1;
      return last;
    }
    const found = this.#cache.find(start, end, access);
    if (found === undefined) return undefined;
    this.#counters.values[COUNT.hitsAddress] += 1;
    remember(known, found, offset, length);
    return found;
  }

  /**
   * Leases a view that is not known to be cached: meets its buffer for the first time, registers it, or
   * leases it without a registration.
   */
  #acquireSlowly(view: Elements, access: Access, lease: LeaseRecord): Lease {
    const length = lengthOf(view);
    if (length === 0) {
      assertAttached(view);
      return this.#lend(lease, view, 0, access, undefined, undefined, SERVICE_MODE.once);
    }
    const known = this.#known.get(bufferOf(view)) ?? this.#meet(view);
    const found = this.#locate(view, byteLengthOf(view, length), access, known);
    const region = typeof found === 'number' ? undefined : found;
    const way = typeof found === 'number' ? found : SERVICE_MODE.region;
    return this.#lend(lease, view, length, access, known, region, way);
  }

  /** A region that covers the view, with one more lease on it; or the service mode without one. */
  #locate(
    view: Elements,
    length: number,
    access: Access,
    known: BufferRecord,
  ): Region | ServiceMode {
    const { caches } = this.#monitor;
    if (caches) this.#cache.look();
    const cached =
      caches || known.region?.kept ? this.#seek(view, length, access, known) : undefined;
    if (cached) {
      this.#cache.hold(cached);
      return cached;
    }
    if (!caches)
      return length > this.#slow.registrableBytes ? SERVICE_MODE.pieces : SERVICE_MODE.once;
    const page = this.#pageBytes;
    const at = known.base + byteOffsetOf(view);
    const start = at - (at % page);
    const end = Math.ceil((at + length) / page) * page;
    if (end - start > this.#port.regionBytesMax) return SERVICE_MODE.pieces;
    this.#counters.values[COUNT.misses] += 1;
    const region = this.#cache.obtain(start, end, access);
    if (typeof region === 'number')
      return isExhausted(region) ? SERVICE_MODE.bounce : SERVICE_MODE.once;
    remember(known, region, byteOffsetOf(view), length);
    return region;
  }

  /**
   * A buffer that was not seen before. Its address may have belonged to another buffer whose end this rank
   * has not heard of yet. After the fence it has.
   */
  #meet(view: Elements): BufferRecord {
    if (this.#monitor.caches) this.#monitor.fence();
    // The buffer first: V8 may keep the bytes of a small array elsewhere until it is asked.
    const buffer = bufferOf(view);
    // One byte of it: not every V8 makes a Uint8Array of more than 4 GiB.
    const base = this.#addressOf(new Uint8Array(buffer, 0, 1));
    const known: BufferRecord = { base, reach: reachOf(buffer), region: undefined, whole: false };
    this.#known.set(buffer, known);
    return known;
  }

  #lend(
    lease: LeaseRecord,
    view: Elements,
    length: number,
    access: Access,
    known: BufferRecord | undefined,
    region: Region | undefined,
    way: ServiceMode,
  ): Lease {
    lease.view = view;
    lease.length = length;
    lease.byteLength = byteLengthOf(view, length);
    lease.access = access;
    lease.known = known;
    lease.region = region;
    lease.way = way;
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
      lease.way = SERVICE_MODE.once;
      return false;
    }
    const found = this.#locate(lease.view!, lease.byteLength, lease.access, lease.known!);
    if (typeof found === 'number') lease.way = found;
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

  /** R7: one line, the first time. */
  #tell(limit: number, need: number): void {
    if (this.#told) return;
    this.#told = true;
    const { source, fix } = this.#cache.budget;
    this.#notice(
      `dreg-mpi: no more than ${formatBytes(limit)} can be pinned (${source}), ` +
        `${formatBytes(need)} are needed; transfers go on more slowly; to speed them up, ${fix}`,
    );
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

/** The region that was found for a part of a buffer is tried first the next time. */
function remember(known: BufferRecord, region: Region, offset: number, length: number): void {
  if (known.region?.kept) return;
  known.region = region;
  known.whole = offset === 0 && length === known.reach;
}

function notOurs(view: View | undefined): MpiError {
  return view === undefined
    ? new MpiError('ERR_REQUEST', 'this lease was released: acquire another')
    : new MpiError(
        'ERR_ARG',
        'this lease belongs to another manager: post on the manager that gave it',
      );
}
