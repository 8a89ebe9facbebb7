/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Memory that a rank shares with the others on its node: MPI.allocate() (docs/internals/shm.md). It lies in
 * extents of the segment that are the rank's own for ever, so that a peer reaches it by an offset through
 * a mapping that stays right whatever is freed and allocated there: a file offset has no second meaning.
 *
 * An allocation lasts as long as its memory is used, by whichever ArrayBuffer holds that after transfer()
 * or postMessage(), in any thread, and by messages under way. The addon counts, and gives the pages back
 * when the last user goes; the heap hears of it when it allocates the next time.
 */
import { constants } from 'node:buffer';
import { constants as osConstants } from 'node:os';
import { types } from 'node:util';
import { addon } from '../../native/addon.ts';
import { check, MpiError } from '../../runtime/base/error.ts';
import { memoryLeft, SHARED_BUFFER_VERSIONS, takeMemory } from '../../runtime/memory/room.ts';
import type { Hold } from '../transport.ts';
import { HEAP_BYTES, HEAP_EXTENT_BYTES, PAGE_BYTES } from './layout.ts';
import { FreeRanges, type Range } from './ranges.ts';
import type { Segment } from './segment.ts';

/** Allocations of a process at one time; the kernel's vm.max_map_count may allow fewer. */
export const HEAP_ALLOCATIONS_MAX = 2 ** 20;
/**
 * Bytes of shared arrays that are allocated before garbage is collected, where those in use are fewer: V8 does not
 * count the memory of a SharedArrayBuffer.
 */
export const SHARED_GARBAGE_BYTES = 128 * 2 ** 20;

/** What {@link MPI.allocate} gives: an ArrayBuffer that can be freed before it is collected (MPI 4.1, 9.2). */
export interface SharedMemory extends ArrayBuffer {
  /** Frees the memory at the end of a block, with `using`, unless it was freed or transferred before. */
  [Symbol.dispose](): void;
}

/** In an allocation's word: its buffer's memory has ended, and only messages hold it. */
const ENDED = 1 << 30;

let allWords: Int32Array | undefined;

/** The words of all allocations of the process, by slot. */
function words(): Int32Array {
  if (allWords === undefined) {
    const memory = addon().heapWords();
    if (typeof memory === 'number') throw check(memory, 'mmap', 'allocating shared memory');
    allWords = new Int32Array(memory);
  }
  return allWords;
}

/** One allocation. An export of it to a peer holds it. */
class Allocation implements Hold {
  readonly range: Range;
  readonly slot: number;
  readonly #words = words();
  /** Called when the memory is gone. */
  ended: (() => void) | null = null;
  /** True once the slot may belong to another allocation. */
  gone = false;
  /** Of a SharedArrayBuffer. */
  address = 0;

  constructor(range: Range, slot: number) {
    this.range = range;
    this.slot = slot;
  }

  /** Keeps the memory until `release`, whatever becomes of the buffer. False: the memory is gone. */
  hold(): boolean {
    if (this.gone) return false;
    if ((Atomics.add(this.#words, this.slot, 1) & ENDED) === 0) return true;
    this.release();
    return false;
  }

  release(): void {
    if (Atomics.sub(this.#words, this.slot, 1) === ENDED + 1) addon().heapEnd(this.slot);
  }
}

/** For all heaps: a buffer can be freed when its heap is closed. */
const allocations = new WeakMap<ArrayBufferLike, Allocation>();
/** Allocations of no bytes that were not freed yet. */
const empty = new WeakSet<ArrayBufferLike>();

/**
 * Gives a buffer's memory back now; messages under way hold theirs until they end.
 * @throws MpiError ERR_BUFFER where it is not of MPI.allocate(), or was freed or transferred before
 */
export function freeMemory(buffer: ArrayBuffer): void {
  if (empty.delete(buffer)) return;
  if (types.isSharedArrayBuffer(buffer))
    throw new MpiError(
      'ERR_BUFFER',
      'MPI.free() takes a buffer of MPI.allocate(): other threads may use a SharedArrayBuffer, whose memory is freed when nobody has it any more',
    );
  if (!allocations.delete(buffer) || buffer.byteLength === 0 || addon().detach(buffer) < 0)
    throw new MpiError(
      'ERR_BUFFER',
      'MPI.free() takes a buffer of MPI.allocate() once: this buffer is not of MPI.allocate(), or was freed or transferred before',
    );
}

function dispose(this: ArrayBuffer): void {
  if (this.byteLength > 0) freeMemory(this);
}

function disposable(buffer: ArrayBuffer): SharedMemory {
  return Object.defineProperty(buffer, Symbol.dispose, { value: dispose }) as SharedMemory;
}

/** An allocation of no bytes: it has no memory, and freeing it is no error. */
export function noMemory(): SharedMemory {
  const buffer = disposable(new ArrayBuffer(0));
  empty.add(buffer);
  return buffer;
}

/** Node-API tells it of arrays, where the memory is a SharedArrayBuffer. */
function addressOf(buffer: ArrayBufferLike): number {
  return addon().addressOf(new Uint8Array(buffer));
}

/** Called with a new buffer; its answer is called when the memory is gone. */
type Keep = (buffer: ArrayBufferLike) => (() => void) | null;

interface Allocated {
  readonly buffer: ArrayBufferLike;
  readonly allocation: Allocation;
}

/** This rank's own heap. */
export class Heap {
  readonly #segment: Segment;
  /** How many bytes may still be allocated; tests pass their own. */
  readonly #left: () => number;
  /** The addon's name for this heap. */
  readonly #id = check(addon().heapOpen(), 'mmap', 'opening the heap');
  readonly #free = new FreeRanges();
  /** By slot. */
  readonly #live = new Map<number, Allocation>();
  readonly #newSlot = new Int32Array(1);
  /** Bytes of this heap's extents. */
  #claimed = 0;
  #bytes = 0;
  /** SharedArrayBuffers by their addresses: from a worker such memory comes back as another object. */
  readonly #shared = new Map<number, Allocation>();
  /** Bytes allocated since garbage was collected. */
  #sinceCollected = 0;
  /** Of these, bytes of SharedArrayBuffers. */
  #sharedSinceCollected = 0;

  constructor(segment: Segment, left: () => number = memoryLeft) {
    this.#segment = segment;
    this.#left = left;
  }

  /** Bytes allocated now, rounded to pages. */
  get bytes(): number {
    this.takeBack();
    return this.#bytes;
  }

  /**
   * @param keep called with the new buffer; its answer is called when the memory is gone
   * @throws MpiError ERR_NO_MEM where the node has no memory left; ERR_UNSUPPORTED
   */
  allocate(bytes: number, keep?: Keep): SharedMemory {
    return disposable(this.#allocateKept(bytes, keep, false) as ArrayBuffer);
  }

  /**
   * The same as a SharedArrayBuffer.
   * @param keep as of {@link allocate}
   * @throws MpiError as allocate; ERR_UNSUPPORTED where Node has none over such memory
   */
  allocateShared(bytes: number, keep?: Keep): SharedArrayBuffer {
    const most = Math.max(SHARED_GARBAGE_BYTES, this.#bytes / 2);
    if (this.#sharedSinceCollected + bytes > most) this.#collect();
    const buffer = this.#allocateKept(bytes, keep, true) as SharedArrayBuffer;
    this.#sharedSinceCollected += bytes;
    return buffer;
  }

  #allocateKept(bytes: number, keep: Keep | undefined, shared: boolean): ArrayBufferLike {
    if (bytes > constants.MAX_LENGTH)
      throw new MpiError(
        'ERR_UNSUPPORTED',
        `allocating ${bytes} bytes: Node ${process.versions.node} has no views of more than ${constants.MAX_LENGTH} bytes: allocate less at a time, or use Node 22 or newer`,
      );
    const { buffer, allocation } = this.#allocateOrCollect(bytes, shared);
    if (keep !== undefined) allocation.ended = keep(buffer);
    return buffer;
  }

  /** The allocation that a buffer is; undefined for any other buffer. */
  allocationOf(buffer: ArrayBufferLike): Allocation | undefined {
    const known = allocations.get(buffer);
    if (known !== undefined || this.#shared.size === 0 || !types.isSharedArrayBuffer(buffer))
      return known;
    const allocation = this.#shared.get(addressOf(buffer));
    // Ended: the memory at that address is another one by now.
    if (allocation === undefined || !allocation.hold()) return undefined;
    allocation.release();
    allocations.set(buffer, allocation);
    return allocation;
  }

  /** Makes room of allocations that have ended since the last look. */
  takeBack(): void {
    for (const slot of addon().heapFreed(this.#id)) {
      const allocation = this.#live.get(slot);
      // No buffer could be made of this slot.
      if (allocation === undefined) continue;
      this.#live.delete(slot);
      allocation.gone = true;
      this.#bytes -= allocation.range.bytes;
      this.#free.insert(allocation.range);
      if (this.#shared.get(allocation.address) === allocation)
        this.#shared.delete(allocation.address);
      allocation.ended?.();
    }
  }

  /** Allocations live on, and give their pages back as before. */
  close(): void {
    addon().heapClose(this.#id);
  }

  /**
   * V8 does not know how much memory there is. Where room is short, unused buffers must be collected first.
   * And no rank can collect what another rank no longer uses. So each rank keeps such garbage below its
   * share of what is left.
   */
  #allocateOrCollect(bytes: number, shared: boolean): Allocated {
    this.takeBack();
    const unused = Math.min(this.#sinceCollected, this.#bytes);
    if (unused > 0 && unused + bytes > this.#left() / this.#segment.ranks.length) this.#collect();
    try {
      return this.#allocate(bytes, shared);
    } catch (error) {
      if (!(error instanceof MpiError) || error.code !== 'ERR_NO_MEM') throw error;
    }
    this.#collect();
    return this.#allocate(bytes, shared);
  }

  #collect(): void {
    addon().collectGarbage();
    this.#sinceCollected = 0;
    this.#sharedSinceCollected = 0;
    this.takeBack();
  }

  #allocate(bytes: number, shared: boolean): Allocated {
    const purpose = `allocating ${bytes} bytes of shared memory`;
    const range = this.#take(Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES, purpose);
    try {
      this.#reserve(range, purpose);
      const { heapFile } = this.#segment;
      const { offset } = range;
      const buffer = addon().heapMap(this.#id, heapFile, offset, bytes, this.#newSlot, shared);
      if (buffer === -osConstants.errno.ENOSYS)
        throw new MpiError(
          'ERR_UNSUPPORTED',
          `Node ${process.versions.node} has no SharedArrayBuffer over memory of others: use ${SHARED_BUFFER_VERSIONS}, or MPI.allocate()`,
        );
      if (buffer === -osConstants.errno.ENOSPC)
        throw new MpiError(
          'ERR_NO_MEM',
          `${purpose}: this process has ${HEAP_ALLOCATIONS_MAX} allocations already (HEAP_ALLOCATIONS_MAX): free some`,
        );
      if (typeof buffer === 'number') throw check(buffer, 'mmap', purpose);
      const allocation = new Allocation(range, this.#newSlot[0]);
      this.#live.set(allocation.slot, allocation);
      allocations.set(buffer, allocation);
      if (shared) {
        allocation.address = addressOf(buffer);
        this.#shared.set(allocation.address, allocation);
      }
      this.#bytes += range.bytes;
      this.#sinceCollected += range.bytes;
      return { buffer, allocation };
    } catch (error) {
      this.#segment.releaseHeap(range.offset, range.bytes);
      this.#free.insert(range);
      throw error;
    }
  }

  #take(bytes: number, purpose: string): Range {
    const range = this.#free.take(bytes);
    if (range !== null) return range;
    const extents = Math.ceil(bytes / HEAP_EXTENT_BYTES);
    const claim = extents * HEAP_EXTENT_BYTES;
    if (this.#claimed + claim > HEAP_BYTES)
      throw new MpiError(
        'ERR_NO_MEM',
        `${purpose}: this rank's heap of 1 TiB is full: free buffers`,
      );
    const offset = this.#segment.claimExtents(extents) * HEAP_EXTENT_BYTES;
    this.#claimed += claim;
    this.#free.insert({ offset, bytes: claim });
    return this.#free.take(bytes) as Range;
  }

  #reserve({ offset, bytes }: Range, purpose: string): void {
    takeMemory(bytes, this.#left, purpose, (done, piece) =>
      this.#segment.reserveHeap(offset + done, piece, purpose),
    );
  }
}
