/**
 * Registrations that live as long as their ArrayBuffer: memory of the runtime's own (MPI.allocate),
 * which nobody unmaps while the buffer is there. They are found by the buffer's identity alone.
 */
import { types } from 'node:util';
import { memoryLengthOf, reachOf } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';
import type { BufferRecords } from './buffers.ts';
import type { RegistrationCache } from './cache.ts';
import type { Access } from './domain.ts';
import { type Region, remember } from './region.ts';
import { pagesAround, unfit } from './view.ts';

interface PermanentHost {
  readonly cache: RegistrationCache;
  readonly buffers: BufferRecords;
  readonly pageBytes: number;
  readonly regionBytesMax: number;
  /** Whether this process may still give registrations back (not a forked child). */
  mayEnd(): boolean;
}

export class PermanentRegions {
  readonly #host: PermanentHost;
  readonly #regions = new Set<Region>();
  /** It holds the region, never the buffer. */
  readonly #ends = new FinalizationRegistry<Region>((region) => this.#end(region));

  constructor(host: PermanentHost) {
    this.#host = host;
  }

  /** As the manager's `keep`. The region has one lease: this one's. */
  keep(buffer: ArrayBufferLike, access: Access): (() => void) | null {
    if (!types.isAnyArrayBuffer(buffer))
      throw new MpiError(
        'ERR_ARG',
        'only an ArrayBuffer or SharedArrayBuffer can be kept registered',
      );
    const length = memoryLengthOf(buffer);
    if (length === 0 || reachOf(buffer) !== length) throw unfit(length);
    const { cache, buffers, pageBytes, regionBytesMax } = this.#host;
    const record = buffers.of(new Uint8Array(buffer, 0, 1));
    const known = record.region;
    if (known?.permanent && known.allows(access)) return () => this.#end(known);
    const { start, end } = pagesAround(record.base, length, pageBytes);
    if (end - start > regionBytesMax) return null;
    const region = cache.registerOnce(start, end, access);
    if (typeof region === 'number') return null;
    region.permanent = true;
    remember(record, region, 0, length);
    this.#regions.add(region);
    this.#ends.register(buffer, region);
    return () => this.#end(region);
  }

  close(): void {
    for (const region of this.#regions) this.#host.cache.drop(region);
    this.#regions.clear();
  }

  #end(region: Region): void {
    if (this.#host.mayEnd() && this.#regions.delete(region)) this.#host.cache.drop(region);
  }
}
