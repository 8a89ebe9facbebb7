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
