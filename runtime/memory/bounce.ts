/**
 * Bounce buffers: memory of the manager's own, which is registered once. Operations whose memory cannot be
 * registered go through it (rule R7).
 */

import { isExhausted } from '../base/errno.ts';
import { Queue } from '../base/queue.ts';
import type { RegistrationCache } from './cache.ts';
import { ACCESS } from './domain.ts';
import type { Region } from './region.ts';

/** Bytes of all bounce buffers of one manager, if so much can still be pinned. */
export const BOUNCE_BYTES = 2 ** 20;
/** Their share of the bytes that may be pinned, at most. */
export const BOUNCE_SHARE = 0.25;
/** Chunks that they are divided into. So many operations can go through them at one time. */
export const BOUNCE_CHUNKS = 4;

export interface Chunk {
  readonly bytes: Uint8Array;
  readonly address: number;
}

export class BouncePool {
  readonly #cache: RegistrationCache;
  readonly #addressOf: (view: Uint8Array) => number;
  readonly #pageBytes: number;
  #region: Region | undefined;
  #chunkBytes = 0;
  readonly #free: Chunk[] = [];
  readonly #waiting = new Queue<() => void>();

  constructor(
    cache: RegistrationCache,
    addressOf: (view: Uint8Array) => number,
    pageBytes: number,
  ) {
    this.#cache = cache;
    this.#addressOf = addressOf;
    this.#pageBytes = pageBytes;
  }

  /**
   * The pool's registration, made at the first call that succeeds; undefined where not one page can be
   * pinned.
   */
  get region(): Region | undefined {
    this.#region ??= this.#make();
    return this.#region;
  }

  /** Bytes that go through one chunk. */
  get chunkBytes(): number {
    return this.#chunkBytes;
  }

  /** A free chunk; undefined where all are in use. */
  take(): Chunk | undefined {
    return this.#free.pop();
  }

  give(chunk: Chunk): void {
    this.#free.push(chunk);
    this.#waiting.shift()?.();
  }

  /** Calls back when a chunk is free, in the order of asking. */
  wait(resume: () => void): void {
    this.#waiting.push(resume);
  }

  close(): void {
    if (this.#region) this.#cache.drop(this.#region);
    this.#region = undefined;
  }

  /** Asks for half as much until the kernel agrees. */
  #make(): Region | undefined {
    const page = this.#pageBytes;
    const share = Math.max(page, this.#cache.budget.bytes * BOUNCE_SHARE);
    for (let bytes = BOUNCE_BYTES; bytes >= page; bytes /= 2) {
      if (bytes > share) continue;
      // One page more than is used. So the registration begins and ends in memory of the manager's own.
      const memory = new Uint8Array(bytes + page);
      const offset = -this.#addressOf(memory) & (page - 1);
      const start = this.#addressOf(memory) + offset;
      const region = this.#cache.registerOnce(start, start + bytes, ACCESS.localWrite);
      if (typeof region !== 'number') {
        this.#divide(memory.subarray(offset, offset + bytes), start);
        return region;
      }
      if (!isExhausted(region)) return undefined;
    }
    return undefined;
  }

  #divide(memory: Uint8Array, start: number): void {
    const chunk = Math.max(this.#pageBytes, memory.length / BOUNCE_CHUNKS);
    for (let at = 0; at < memory.length; at += chunk)
      this.#free.push({ bytes: memory.subarray(at, at + chunk), address: start + at });
    this.#chunkBytes = chunk;
  }
}
