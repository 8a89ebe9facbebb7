/** The control page of a rank, as Int32 indices; constants for the same reason as those of a cell. */

/** AWAKE, BLOCKED or IN_LOOP; on a line of its own: the owner and whoever wakes it write it. */
export const sleep = 0;
/** Raised by a peer that has opened its region towards this rank. */
export const contacts = 32;
export const pid = 48;
/** ABSENT, PRESENT, LEAVING or LEFT. */
export const presence = 49;
/** Address of `probeWord` in the owner's memory (low, high), for the probe of process_vm_readv. */
export const probeAddressLow = 50;
export const probeAddressHigh = 51;
export const probeWord = 52;
/** 1: the owner issues a barrier on all CPUs (membarrier) before it sleeps; see doorbell.ts. */
export const fences = 53;
/** One word for each local rank: it has opened its region towards this rank. */
export const contactFlags = 64;
/** Odd while the rank says in its wait page what it waits for; raised when it says so, and when that is over. */
export const wait = 320;
/** The value of `wait` while the rank sleeps and has looked at everything that came before; else 0. */
export const quiet = 321;
/** The value of `wait` for which a peer has found that nobody can ever end it. */
export const doomed = 322;
/** Where this rank's directory of blocks lies: the page of the heaps' file, plus 1. 0: it has none. */
export const directory = 323;
/** 1: this rank has had no memory for a block, and opens no more. */
export const declines = 324;
/** This rank's shared heap: its descriptor in this rank, the file's inode, and its length in units (shared-heaps.ts); 0: none. */
export const heapFd = 325;
export const heapInodeLow = 326;
export const heapInodeHigh = 327;
export const heapUnits = 328;
/** One word for each local rank: it maps this rank's shared heap. */
export const heapMapped = 384;
