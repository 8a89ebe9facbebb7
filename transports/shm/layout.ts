/**
 * Where things lie in the shared segment of a job's ranks on one node (docs/internals/shm.md): two files,
 *
 *     header page | a control page and a wait page for each rank | one region for each ordered pair
 *     extents of the ranks' heaps, in the order in which they were needed
 *
 * Both are sparse and grow as they are used: a region costs memory from the first contact of its pair,
 * a heap what is allocated in it. Offsets go beyond 2^32, so they are plain numbers.
 */

export const PAGE_BYTES = 4096;
/**
 * Ranks of one job on one node: their doorbells and the two files travel in one SCM_RIGHTS message (at most
 * 253 descriptors).
 */
export const MAX_LOCAL_RANKS = 250;

export const SEGMENT_MAGIC = 0x64726567; // 'dreg'
/** Changes whenever the layout changes, or the meaning of the protocol's packets. */
export const SEGMENT_VERSION = 7;

/** Header page, as Int32 indices. */
export const HEADER = {
  magic: 0,
  version: 1,
  ranks: 2,
  /** Extents of the heaps' file that belong to a rank. */
  extents: 32,
} as const;

/** Control page of a rank, as Int32 indices. */
export * as CONTROL from './control-words.ts';
/** The control page, and the wait page behind it. */
export const CONTROL_BYTES = 2 * PAGE_BYTES;
/** The wait page: the length of a text, and the text. */
export const WAIT_TEXT = PAGE_BYTES + 4;
export const WAIT_TEXT_BYTES = PAGE_BYTES - 4;

export const AWAKE = 0;
export const BLOCKED = 1;
export const IN_LOOP = 2;

export const ABSENT = 0;
export const PRESENT = 1;
export const LEAVING = 2;
export const LEFT = 3;

/**
 * A cell: two cache lines with a packet's header at their end and a small body just before it. So a
 * body of up to 40 bytes and its header are one line to hand over, a larger one is two neighbours.
 */
export const CELL_BYTES = 128;
export const CELL_WORDS = CELL_BYTES / 4;
/** Cells in a ring; a power of two. */
export const CELLS = 64;
export const CELL_MASK = CELLS - 1;
/** Header of a packet, as Int32 indices in a cell. */
export * as CELL from './cell-words.ts';
/** Longest body that lies in its cell. Such bodies end where this byte would be. */
export const INLINE_BYTES = 104;
/** Up to so many words of 64 bits of a body share the header's cache line. */
export const HEADER_LINE_LONGS = 5;

/** Bytes of the data ring, in which longer bodies lie; a power of two. */
export const DATA_BYTES = 65536;
/** A body in the data ring begins at a multiple of this. */
export const DATA_ALIGNMENT = 64;
/**
 * The receiver gives room in the data ring back once it has taken this much, because each such store costs
 * the sender a cache miss.
 */
export const DATA_HELD = DATA_BYTES / 16;
/**
 * Largest body of a packet: one is written while another is read. Where no cache is common to the two
 * cores, larger packets are worth more than more of them. A body may have to leave out nearly as much
 * at the ring's end as it is long, and the receiver may hold room back: all of it must fit.
 */
export const MAX_BODY = (DATA_BYTES - DATA_HELD) / 2;
/**
 * Messages up to this long go eagerly. Where no cache is common to the two cores, longer ones cost up to
 * four times as much through the ring as when the receiver fetches them.
 */
export const SHM_EAGER_BYTES = 16384;

/** Region of an ordered pair (from, to): bytes from its start. */
export const REGION = {
  /** Written by the receiver: cells consumed, data consumed, credit returned (Int32 each). */
  receiverLine: 0,
  /** The words of copies that both ends share (shared-copy.ts). */
  claimLine: 128,
  cells: 256,
  data: 256 + CELLS * CELL_BYTES,
} as const;
export const REGION_BYTES = Math.ceil((REGION.data + DATA_BYTES) / PAGE_BYTES) * PAGE_BYTES;

/** Bytes that MPI.allocate() of one rank may hold. */
export const HEAP_BYTES = 2 ** 40;
/** A rank's heap grows by this much, or by what one allocation needs. */
export const HEAP_EXTENT_BYTES = 2 ** 24;

/**
 * Offsets from here on are those of a rank's own file, its shared heap (shared-heaps.ts). The heaps' file is
 * never so long.
 */
export const SHARED_HEAP = 2 ** 46;

export function controlOffset(rank: number): number {
  return PAGE_BYTES + rank * CONTROL_BYTES;
}

export function regionOffset(ranks: number, from: number, to: number): number {
  return PAGE_BYTES + ranks * CONTROL_BYTES + (from * ranks + to) * REGION_BYTES;
}

/** A rank's directory of blocks, a page, as Int32 indices. */
export const DIRECTORY = {
  /** The first block of each chain, by its page in the heaps' file; 0: none. */
  chains: 0,
} as const;
export const CHAINS = PAGE_BYTES / 4 - DIRECTORY.chains;
/** The first line of a block, as Int32 indices; behind it a word for each member, 1 once it touches the block no more. */
export const BLOCK = {
  serialLow: 0,
  serialHigh: 1,
  /** The next of its chain, by its page. */
  next: 2,
  members: 3,
  gone: 32,
} as const;

/** Where the members' own part of a block begins, in bytes. */
export function blockStart(members: number): number {
  return BLOCK.gone * 4 + Math.ceil(members / 32) * 128;
}
