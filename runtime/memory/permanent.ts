/**
 * Registrations that live as long as their ArrayBuffer. They are for memory of the runtime (MPI.allocate),
 * which stays mapped while the buffer is there. Only the buffer's identity finds them.
 */
import type { RegistrationCache } from './cache.ts';
import type { Region } from './region.ts';

export class PermanentRegions {
  readonly #cache: RegistrationCache;
  readonly #regions = new Set<Region>();
  /** It holds the region, never the buffer. */
  readonly #ends = new FinalizationRegistry<Region>((region) => this.#end(region));
  readonly #mayEnd: () => boolean;

  /** `mayEnd`: whether this process may still give registrations back (not a forked child). */
  constructor(cache: RegistrationCache, mayEnd: () => boolean) {
    this.#cache = cache;
    this.#mayEnd = mayEnd;
  }

  get size(): number {
    return this.#regions.size;
  }

  /** The region has one lease: this one's, until the buffer is collected or its owner ends it. */
  add(buffer: ArrayBufferLike, region: Region): void {
    this.#regions.add(region);
    this.#ends.register(buffer, region);
  }

  /** Ends a region whose memory is gone, as its owner knows. */
  enderOf(region: Region): () => void {
    return () => this.#end(region);
  }

  close(): void {
    for (const region of this.#regions) this.#cache.drop(region);
    this.#regions.clear();
  }

  #end(region: Region): void {
    if (this.#mayEnd() && this.#regions.delete(region)) this.#cache.drop(region);
  }
}
