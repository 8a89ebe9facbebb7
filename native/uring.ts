/** uring.cc: io_uring's system calls, and the layout of what it shares with its user. */
import { addon } from './addon.ts';

export interface UringAddon {
  uringSetup(entries: number, params: Uint32Array): number;
  uringEnter(
    fd: number,
    submit: number,
    complete: number,
    flags: number,
    milliseconds: number,
  ): number;
  uringTable(fd: number, entries: number): number;
  uringUpdate(fd: number, index: number, address: number, length: number): number;
  uringEventfd(fd: number, eventfd: number): number;
  uringHas(fd: number, opcode: number): number;
  uringCancelAll(fd: number, milliseconds: number): number;
}

/** kWaitMost of util.h: longer waits are refused. */
export const WAIT_MOST_MS = 1e9;

export const uring = (): UringAddon => addon() as unknown as UringAddon;

/** struct io_uring_params, in 32-bit words. */
export const PARAMS = {
  words: 30,
  sqEntries: 0,
  cqEntries: 1,
  flags: 2,
  features: 5,
  sqHead: 10,
  sqTail: 11,
  sqFlags: 14,
  sqArray: 16,
  cqHead: 20,
  cqTail: 21,
  cqCqes: 25,
} as const;

/** Offsets for mapping the rings and the submission entries. */
export const OFFSET = { rings: 0, sqes: 0x10000000 } as const;
export const SETUP_CQSIZE = 1 << 3;
export const FEATURE_SINGLE_MMAP = 1 << 0;
export const FEATURE_EXT_ARG = 1 << 8;
export const ENTER_GETEVENTS = 1 << 0;
/** Set in the submission ring's flags while completions wait for room in the completion ring. */
export const SQ_CQ_OVERFLOW = 1 << 1;

/** Opcodes of linux/io_uring.h. */
export const OP = {
  readFixed: 4,
  writeFixed: 5,
  read: 22,
  write: 23,
  sendZc: 47,
} as const;

/** struct io_uring_sqe and io_uring_cqe, in 32-bit words. */
export const SQE_WORDS = 16;
export const CQE_WORDS = 4;
/** sqe.ioprio of SEND_ZC: the memory is a fixed buffer. */
export const SEND_FIXED = 1 << 2;
/** cqe.flags: another completion of this operation follows; this is SEND_ZC's notification. */
export const CQE_MORE = 1 << 1;
export const CQE_NOTIFICATION = 1 << 3;
