/** What is known of the ArrayBuffers that were leased: where each lies, and its region. */
import { bufferOf, byteOffsetOf, reachOf } from '../base/bytes.ts';
import { isExhausted } from '../base/errno.ts';
import type { RegistrationCache } from './cache.ts';
import { COUNT, type Counters } from './counters.ts';
import type { Access } from './domain.ts';
import { SERVICE_MODE, type ServiceMode } from './lease.ts';
import type { Monitor } from './monitor.ts';
import { type BufferRecord, type Region, remember } from './region.ts';
import { type Elements, pagesAround, type View } from './view.ts';

interface RecordsHost {
  readonly cache: RegistrationCache;
  readonly monitor: Monitor;
  readonly port: { readonly regionBytesMax: number };
  readonly counters: Counters;
  readonly pageBytes: number;
  addressOf(view: View): number;
}

export class BufferRecords {
  readonly #records = new WeakMap<ArrayBufferLike, BufferRecord>();
  readonly #host: RecordsHost;

  constructor(host: RecordsHost) {
    this.#host = host;
  }

  /** Of a view's buffer, if it was leased before. */
  get(view: Elements): BufferRecord | undefined {
    return this.#records.get(bufferOf(view));
  }

  /**
   * Of a view's buffer. The address of one that was not seen before may have belonged to another
   * whose end is still on its way to us: behind the fence it has arrived.
   */
  of(view: Elements): BufferRecord {
    // The buffer first: V8 may keep the bytes of a small array elsewhere until it is asked.
    const buffer = bufferOf(view);
    const known = this.#records.get(buffer);
    if (known !== undefined) return known;
    const { monitor } = this.#host;
    if (monitor.caches) monitor.fence();
    // One byte of it: not every V8 makes a Uint8Array of more than 4 GiB.
    const base = this.#host.addressOf(new Uint8Array(buffer, 0, 1));
    const record: BufferRecord = { base, reach: reachOf(buffer), region: undefined, whole: false };
    this.#records.set(buffer, record);
    return record;
  }

  /** A cached region for a view of the buffer: the one that the buffer had last, or by address. */
  find(view: Elements, length: number, access: Access, record: BufferRecord): Region | undefined {
    const offset = byteOffsetOf(view);
    const start = record.base + offset;
    const end = start + length;
    const last = record.region;
    if (last?.lendable && last.allows(access) && last.covers(start, end)) {
      this.#host.counters.values[COUNT.hitsIdentity] += 1;
      return last;
    }
    const found = this.#host.cache.find(start, end, access);
    if (found === undefined) return undefined;
    this.#host.counters.values[COUNT.hitsAddress] += 1;
    remember(record, found, offset, length);
    return found;
  }
  /** A region that covers the view, with one more lease on it; or how to serve the view without one. */
  obtain(
    view: Elements,
    length: number,
    access: Access,
    record: BufferRecord,
  ): Region | ServiceMode {
    const { cache, monitor, port, counters, pageBytes } = this.#host;
    const { caches } = monitor;
    if (caches) cache.look();
    const mayBeThere = caches || record.region?.permanent;
    const cached = mayBeThere ? this.find(view, length, access, record) : undefined;
    if (cached) {
      cache.hold(cached);
      return cached;
    }
    // Wherever it begins in its page.
    const surelyFits = length <= port.regionBytesMax - 2 * pageBytes;
    if (!caches) return surelyFits ? SERVICE_MODE.once : SERVICE_MODE.pieces;
    const offset = byteOffsetOf(view);
    const { start, end } = pagesAround(record.base + offset, length, pageBytes);
    if (end - start > port.regionBytesMax) return SERVICE_MODE.pieces;
    counters.values[COUNT.misses] += 1;
    const region = cache.obtain(start, end, access);
    if (typeof region === 'number')
      return isExhausted(region) ? SERVICE_MODE.bounce : SERVICE_MODE.once;
    remember(record, region, offset, length);
    return region;
  }
}
