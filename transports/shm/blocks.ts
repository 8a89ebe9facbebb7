/**
 * Blocks that some ranks of the node have in common (docs/internals/control-lines.md#blocks). The first member makes
 * a block in extents of its own, and enters it in its directory under a name that is never given twice; the others find
 * it there. Nobody waits for anybody. Once no member touches it any more, the first one uses its memory again.
 */

import { MpiError } from '../../runtime/base/error.ts';
import type { BlockMembers, BlockName, SharedBlock, SharedBlocks } from '../shared-block.ts';
import { noMemory, pageOf, reservedOf, sizeOf, wordsOf } from './block-place.ts';
import { ring } from './doorbell.ts';
import type { Heap } from './heap.ts';
import {
  BLOCK,
  blockStart,
  CHAINS,
  CONTROL,
  DIRECTORY,
  HEAP_EXTENT_BYTES,
  LEFT,
  PAGE_BYTES,
} from './layout.ts';
import { FreeRanges, type Range } from './ranges.ts';
import type { Segment } from './segment.ts';

/** Blocks that one rank has made and that are in use. A chain that is longer is none of ours. */
export const BLOCKS_MAX = 2 ** 17;

/** What blocks need of the transport. */
export interface BlockHost {
  readonly segment: Segment;
  readonly heap: Heap;
  /** The control page of a local rank. */
  control(local: number): Int32Array;
  /** Whether this rank takes part in the barriers of its peers. */
  checkFences(): boolean;
}

/** A block that this rank has made. */
interface Made {
  readonly range: Range;
  readonly words: Int32Array;
  readonly members: readonly number[];
  readonly serial: number;
}

export class Blocks implements SharedBlocks {
  readonly #host: BlockHost;
  readonly #free = new FreeRanges();
  /** Extents of the heaps' file, by number: all blocks in one extent share a mapping. */
  readonly #extents = new Map<number, ArrayBuffer>();
  /** By local rank. */
  readonly #directories: (Int32Array | undefined)[] = [];
  /** By page. */
  readonly #made = new Map<number, Made>();
  /** Pages of the blocks of each chain, as they follow each other. */
  readonly #chains: number[][] = Array.from({ length: CHAINS }, () => []);
  /** Made here, and given up here: some member may still touch them. */
  readonly #closing = new Set<number>();
  #closed = false;

  get crowded(): boolean {
    return this.#host.segment.isCrowded;
  }

  constructor(host: BlockHost) {
    this.#host = host;
  }

  reach(members: BlockMembers): boolean {
    const { ranks } = this.#host.segment;
    for (let member = 0; member < members.size; member++)
      if (!ranks.includes(members.worldOf(member))) return false;
    return true;
  }

  open(name: BlockName, members: BlockMembers): SharedBlock | null {
    const { segment } = this.#host;
    if (this.#declines(segment.self)) return null;
    try {
      return this.#open(name, this.#localsOf(members));
    } catch (error) {
      if (!(error instanceof MpiError) || error.code !== 'ERR_NO_MEM') throw error;
      Atomics.store(this.#host.control(segment.self), CONTROL.declines, 1);
      // Some may sleep until they know.
      for (let local = 0; local < segment.ranks.length; local++) this.#ring(local);
      return null;
    }
  }

  declines(rank: number): boolean {
    return this.#declines(this.#host.segment.ranks.indexOf(rank));
  }

  #declines(local: number): boolean {
    return Atomics.load(this.#host.control(local), CONTROL.declines) === 1;
  }

  #open(name: BlockName, locals: readonly number[]): SharedBlock | null {
    const own = locals.indexOf(this.#host.segment.self);
    // What not all would open is not made.
    if (own === 0 && locals.some((local) => this.#declines(local))) return null;
    const page = own === 0 ? this.#make(name, locals) : this.#find(name, locals);
    if (page === 0) return null;
    const { length } = locals;
    const memory = this.#memoryAt(
      page * PAGE_BYTES,
      reservedOf(name, length),
      sizeOf(name, length),
    );
    return new Block(this, this.#host, memory, page, name, locals, own);
  }

  forsake(name: BlockName, members: BlockMembers): void {
    // What was never made has no memory to give back.
    if (this.#closed || members.worldOf(0) === this.#host.segment.ranks[this.#host.segment.self])
      return;
    const locals = this.#localsOf(members);
    try {
      const page = this.#find(name, locals);
      if (page !== 0) this.gone(page, locals, locals.indexOf(this.#host.segment.self));
    } catch (error) {
      // It cannot even look: the block stays until this rank has left.
      if (!(error instanceof MpiError) || error.code !== 'ERR_NO_MEM') throw error;
    }
  }

  /** A member touches a block no more. */
  gone(page: number, locals: readonly number[], own: number): void {
    if (this.#closed) return;
    const words = this.#wordsAt(page, locals.length);
    Atomics.store(words, BLOCK.gone + own, 1);
    if (own === 0) this.#closing.add(page);
    this.#sweep();
  }

  /** Memory for a range of the heaps' file. */
  reserve(offset: number, bytes: number): void {
    this.#host.segment.reserveHeap(offset, bytes, 'making room for collective operations');
  }

  close(): void {
    this.#closed = true;
  }

  #localsOf(members: BlockMembers): number[] {
    const { ranks } = this.#host.segment;
    return Array.from({ length: members.size }, (_, rank) => ranks.indexOf(members.worldOf(rank)));
  }

  // ---- this rank's own

  /** @returns the block's page */
  #make(name: BlockName, locals: readonly number[]): number {
    this.#sweep();
    const directory = this.#ownDirectory();
    let range: Range | null = null;
    try {
      if (this.#made.size >= BLOCKS_MAX)
        throw noMemory(
          `this rank has ${BLOCKS_MAX} communicators with control lines (BLOCKS_MAX): free some`,
        );
      range = this.#take(sizeOf(name, locals.length));
      this.reserve(range.offset, reservedOf(name, locals.length));
      return this.#enter(directory, range, name, locals);
    } catch (error) {
      if (range !== null) this.#release(range);
      throw error;
    } finally {
      // Those who came before may sleep until they know.
      for (const local of locals) this.#ring(local);
    }
  }

  #enter(
    directory: Int32Array,
    range: Range,
    { serial }: BlockName,
    locals: readonly number[],
  ): number {
    const page = pageOf(range);
    const words = this.#wordsAt(page, locals.length);
    const chain = this.#chains[serial % CHAINS];
    [words[BLOCK.serialLow], words[BLOCK.serialHigh]] = wordsOf(serial);
    words[BLOCK.members] = locals.length;
    words[BLOCK.next] = chain[0] ?? 0;
    chain.unshift(page);
    Atomics.store(directory, DIRECTORY.chains + (serial % CHAINS), page);
    this.#made.set(page, { range, words, members: locals, serial });
    return page;
  }

  #ring(local: number): void {
    const { segment } = this.#host;
    if (local !== segment.self) ring(this.#host.control(local), segment.doorbells[local]);
  }

  #ownDirectory(): Int32Array {
    const { segment } = this.#host;
    const known = this.#directories[segment.self];
    if (known !== undefined) return known;
    const range = this.#take(PAGE_BYTES);
    this.reserve(range.offset, PAGE_BYTES);
    const memory = this.#memoryAt(range.offset, PAGE_BYTES);
    const directory = new Int32Array(memory.buffer, memory.byteOffset, PAGE_BYTES / 4);
    this.#directories[segment.self] = directory;
    const control = this.#host.control(segment.self);
    Atomics.store(control, CONTROL.directory, pageOf(range) + 1);
    return directory;
  }

  #take(bytes: number): Range {
    const range = this.#free.take(bytes);
    if (range !== null) return range;
    const extents = Math.ceil(bytes / HEAP_EXTENT_BYTES);
    const offset = this.#host.segment.claimExtents(extents) * HEAP_EXTENT_BYTES;
    this.#free.insert({ offset, bytes: extents * HEAP_EXTENT_BYTES });
    return this.#free.take(bytes) as Range;
  }

  /** Takes back what no member touches any more. */
  #sweep(): void {
    for (const page of this.#closing) {
      const { range, words, members, serial } = this.#made.get(page) as Made;
      if (members.some((local, member) => !this.#isGone(words, local, member))) continue;
      this.#unlink(serial % CHAINS, page);
      this.#closing.delete(page);
      this.#made.delete(page);
      this.#release(range);
    }
  }

  /** It reads as zeros when it is used again. */
  #release(range: Range): void {
    this.#host.segment.releaseHeap(range.offset, range.bytes);
    this.#free.insert(range);
  }

  #isGone(words: Int32Array, local: number, member: number): boolean {
    if (Atomics.load(words, BLOCK.gone + member) === 1) return true;
    const left = Atomics.load(this.#host.control(local), CONTROL.presence) === LEFT;
    return left && local !== this.#host.segment.self;
  }

  /** Whoever goes along the chain at this moment looks again, or finds what it looks for. */
  #unlink(number: number, page: number): void {
    const chain = this.#chains[number];
    const place = chain.indexOf(page);
    chain.splice(place, 1);
    const next = chain[place] ?? 0;
    if (place === 0) Atomics.store(this.#ownDirectory(), DIRECTORY.chains + number, next);
    else Atomics.store((this.#made.get(chain[place - 1]) as Made).words, BLOCK.next, next);
  }

  // ---- those of others

  /** @returns the block's page; 0: there is none yet */
  #find(name: BlockName, locals: readonly number[]): number {
    const directory = this.#directoryOf(locals[0]);
    if (directory === null) return 0;
    const [low, high] = wordsOf(name.serial);
    let page = Atomics.load(directory, DIRECTORY.chains + (name.serial % CHAINS));
    for (let steps = 0; page > 0 && steps < BLOCKS_MAX; steps++) {
      const words = this.#wordsAt(page, locals.length);
      const same = words[BLOCK.serialLow] === low && words[BLOCK.serialHigh] === high;
      if (same && words[BLOCK.members] === locals.length) return page;
      page = Atomics.load(words, BLOCK.next);
    }
    return 0;
  }

  /** @returns null while it has none */
  #directoryOf(local: number): Int32Array | null {
    const known = this.#directories[local];
    if (known !== undefined) return known;
    const word = Atomics.load(this.#host.control(local), CONTROL.directory);
    if (word === 0) return null;
    const memory = this.#memoryAt((word - 1) * PAGE_BYTES, PAGE_BYTES);
    const directory = new Int32Array(memory.buffer, memory.byteOffset, PAGE_BYTES / 4);
    this.#directories[local] = directory;
    return directory;
  }

  #wordsAt(page: number, members: number): Int32Array {
    const bytes = blockStart(members);
    const { buffer, byteOffset } = this.#memoryAt(page * PAGE_BYTES, bytes);
    return new Int32Array(buffer, byteOffset, bytes / 4);
  }

  /** @throws MpiError ERR_PROTOCOL where the file does not reach so far */
  #memoryAt(
    offset: number,
    reserved: number,
    bytes = reserved,
  ): { buffer: ArrayBuffer; byteOffset: number } {
    const { segment } = this.#host;
    const number = Math.floor(offset / HEAP_EXTENT_BYTES);
    const byteOffset = offset - number * HEAP_EXTENT_BYTES;
    if (!(offset >= 0) || !segment.heapsReach(offset + reserved))
      throw new MpiError(
        'ERR_PROTOCOL',
        'a peer names memory outside of the shared heaps: let all ranks run the same version of dreg-mpi',
      );
    if (byteOffset + bytes > HEAP_EXTENT_BYTES)
      return { buffer: segment.mapHeaps(offset, bytes), byteOffset: 0 };
    let extent = this.#extents.get(number);
    if (extent === undefined) {
      extent = segment.mapHeaps(number * HEAP_EXTENT_BYTES, HEAP_EXTENT_BYTES);
      this.#extents.set(number, extent);
    }
    return { buffer: extent, byteOffset };
  }
}

class Block implements SharedBlock {
  readonly memory: ArrayBuffer;
  readonly byteOffset: number;
  readonly #blocks: Blocks;
  readonly #host: BlockHost;
  readonly #page: number;
  readonly #name: BlockName;
  readonly #locals: readonly number[];
  readonly #own: number;
  /** Control pages of the other members. */
  readonly #others: readonly Int32Array[];
  readonly #otherLocals: readonly number[];
  readonly #doorbells: readonly number[];
  readonly areasOffset: number;
  #closed = false;

  constructor(
    blocks: Blocks,
    host: BlockHost,
    { buffer, byteOffset }: { buffer: ArrayBuffer; byteOffset: number },
    page: number,
    name: BlockName,
    locals: readonly number[],
    own: number,
  ) {
    this.memory = buffer;
    this.byteOffset = byteOffset + blockStart(locals.length);
    this.#blocks = blocks;
    this.#host = host;
    this.#page = page;
    this.#name = name;
    this.#locals = locals;
    this.#own = own;
    this.#otherLocals = locals.filter((_, member) => member !== own);
    this.#others = this.#otherLocals.map((local) => host.control(local));
    this.#doorbells = host.segment.doorbells;
    this.areasOffset = byteOffset + reservedOf(name, locals.length);
  }

  isFenced(): boolean {
    return this.#host.checkFences() && this.#others.every((other) => other[CONTROL.fences] === 1);
  }

  ringAll(): void {
    const others = this.#others;
    for (let i = 0; i < others.length; i++) ring(others[i], this.#doorbells[this.#otherLocals[i]]);
  }

  ring(member: number): void {
    const local = this.#locals[member];
    if (member !== this.#own) ring(this.#host.control(local), this.#doorbells[local]);
  }

  reserveArea(): void {
    const { areaBytes } = this.#name;
    const start = reservedOf(this.#name, this.#locals.length) + this.#own * areaBytes;
    this.#blocks.reserve(this.#page * PAGE_BYTES + start, areaBytes);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#blocks.gone(this.#page, this.#locals, this.#own);
  }
}
