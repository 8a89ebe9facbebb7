/**
 * Memory that a rank shares with the others on its node: MPI.allocate() (docs/design/shm.md). It lies
 * in the rank's own part of the segment, so that a peer reaches it by an offset through a mapping that
 * stays right whatever is freed and allocated there: a file offset has no second meaning.
 */
import { freemem, totalmem } from 'node:os';
import { addon } from '../../native/addon.ts';
import { MpiError } from '../../runtime/base/error.ts';
import { HEAP_BYTES, heapOffset, PAGE_BYTES } from './layout.ts';
import type { Segment } from './segment.ts';

/** A peer's heap is mapped in pieces of this size. */
export const HEAP_WINDOW_BYTES = 64 * 2 ** 20;
/** Pieces of peers' heaps that a rank keeps mapped; the one not used for longest goes first. */
export const HEAP_WINDOWS_MAX = 64;

interface Range {
  offset: number;
  bytes: number;
}

/**
 * Shared memory has no limit of its own: the kernel would sooner kill a process than refuse a page.
 * @throws MpiError ERR_NO_MEM where a request is larger than what the machine has left
 */
function checkAvailable(bytes: number): void {
  const limit = process.constrainedMemory();
  // 0 or beyond the machine's memory: no control group limits us.
  const left = limit > 0 && limit < totalmem() ? limit - process.memoryUsage.rss() : totalmem();
  const available = Math.min(freemem(), left);
  if (bytes <= available) return;
  throw new MpiError(
    'ERR_NO_MEM',
    `allocating ${bytes} bytes of shared memory: the machine has ${Math.max(0, available)} bytes left`,
  );
}

/** This rank's own heap. */
export class Heap {
  readonly #segment: Segment;
  readonly #base: number;
  #top = 0;
  #bytes = 0;
  /** Ranges below `#top` that were given back, ascending, never adjacent. */
  readonly #free: Range[] = [];
  readonly #offsets = new WeakMap<ArrayBufferLike, number>();
  readonly #collected = new FinalizationRegistry<Range>((range) => this.#giveBack(range));

  constructor(segment: Segment) {
    this.#segment = segment;
    this.#base = heapOffset(segment.ranks.length, segment.self);
  }

  /** Bytes allocated now, rounded to pages. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws MpiError ERR_NO_MEM, where the node has no memory left for it */
  allocate(bytes: number): ArrayBuffer {
    checkAvailable(bytes);
    const range = this.#take(Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES);
    const offset = this.#base + range.offset;
    const purpose = `allocating ${bytes} bytes of shared memory`;
    try {
      this.#segment.reserve(offset, range.bytes, purpose);
      const buffer = this.#segment.map(offset, bytes, purpose);
      this.#offsets.set(buffer, offset);
      this.#collected.register(buffer, range);
      this.#bytes += range.bytes;
      return buffer;
    } catch (error) {
      this.#insert(range);
      throw error;
    }
  }

  /** Where in the segment a buffer of this heap begins; undefined for any other buffer. */
  offsetOf(buffer: ArrayBufferLike): number | undefined {
    return this.#offsets.get(buffer);
  }

  #take(bytes: number): Range {
    const index = this.#free.findIndex((range) => range.bytes >= bytes);
    if (index >= 0) {
      const range = this.#free[index];
      const taken = { offset: range.offset, bytes };
      if (range.bytes === bytes) this.#free.splice(index, 1);
      else this.#free[index] = { offset: range.offset + bytes, bytes: range.bytes - bytes };
      return taken;
    }
    if (this.#top + bytes > HEAP_BYTES)
      throw new MpiError(
        'ERR_NO_MEM',
        `allocating ${bytes} bytes: the rank's heap of 1 TiB is full`,
      );
    const range = { offset: this.#top, bytes };
    this.#top += bytes;
    return range;
  }

  #giveBack(range: Range): void {
    this.#bytes -= range.bytes;
    addon().segmentRelease(this.#segment.fd, this.#base + range.offset, range.bytes);
    this.#insert(range);
  }

  #insert(range: Range): void {
    const free = this.#free;
    let index = free.findIndex((other) => other.offset > range.offset);
    if (index < 0) index = free.length;
    const before = free[index - 1];
    const after = free[index];
    const joinsBefore = before !== undefined && before.offset + before.bytes === range.offset;
    const joinsAfter = after !== undefined && range.offset + range.bytes === after.offset;
    if (joinsBefore && joinsAfter) {
      before.bytes += range.bytes + after.bytes;
      free.splice(index, 1);
    } else if (joinsBefore) before.bytes += range.bytes;
    else if (joinsAfter) {
      after.offset = range.offset;
      after.bytes += range.bytes;
    } else free.splice(index, 0, { ...range });
    const last = free[free.length - 1];
    if (last.offset + last.bytes === this.#top) {
      this.#top = last.offset;
      free.pop();
    }
  }
}

/** Views of the segment's heaps for copies from and to peers' memory. */
export class HeapWindows {
  readonly #segment: Segment;
  readonly #end: number;
  /** By window number, the one used last at the end. */
  readonly #windows = new Map<number, Uint8Array>();

  constructor(segment: Segment) {
    this.#segment = segment;
    this.#end = heapOffset(segment.ranks.length, segment.ranks.length);
  }

  /**
   * Calls `copy(window, at, done, bytes)` for each piece of [offset, offset + length) of the segment:
   * the piece lies at `window[at..]` and is number `done` onwards of the range.
   * @throws MpiError ERR_PROTOCOL where the range is not inside the heaps
   */
  forEach(
    offset: number,
    length: number,
    copy: (window: Uint8Array, at: number, done: number, bytes: number) => void,
  ): void {
    const first = heapOffset(this.#segment.ranks.length, 0);
    if (!(offset >= first) || !(offset + length <= this.#end))
      throw new MpiError('ERR_PROTOCOL', 'a peer exposed memory outside of the shared heaps');
    let done = 0;
    while (done < length) {
      const at = (offset + done) % HEAP_WINDOW_BYTES;
      const bytes = Math.min(length - done, HEAP_WINDOW_BYTES - at);
      copy(this.#window(Math.floor((offset + done) / HEAP_WINDOW_BYTES)), at, done, bytes);
      done += bytes;
    }
  }

  #window(number: number): Uint8Array {
    let window = this.#windows.get(number);
    if (window === undefined) {
      const offset = number * HEAP_WINDOW_BYTES;
      const bytes = Math.min(HEAP_WINDOW_BYTES, this.#end - offset);
      window = new Uint8Array(this.#segment.map(offset, bytes, "mapping a peer's shared memory"));
      if (this.#windows.size >= HEAP_WINDOWS_MAX)
        this.#windows.delete(this.#windows.keys().next().value as number);
    } else this.#windows.delete(number);
    this.#windows.set(number, window);
    return window;
  }
}
