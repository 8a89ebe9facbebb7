/** The one error type, and its codes (MPI 4.1, 9.4). */
import { getSystemErrorMap } from 'node:util';

/**
 * Every way in which an operation of this package can fail. A program branches on the code. The message is
 * for people: what happened, to which rank, and what to do; it ends with the address of the code's section in
 * [Errors](errors.md).
 */
export const ERROR_CODES = {
  // ---- Errors of the program

  /**
   * @why the message names it and what it may be
   * @remedy correct it
   */
  ERR_ARG:
    'an argument, or the value of an environment variable, is of the wrong type or out of range',
  /**
   * @why an object or a string was passed; or the memory was transferred to another thread while the
   *   operation was under way
   * @remedy pass a typed array; leave the buffer alone until the operation has ended
   */
  ERR_BUFFER: 'a buffer is missing, detached, shrunk, or no buffer at all',
  /**
   * @why the number is negative, no integer, or beyond what there is
   * @remedy correct it
   */
  ERR_COUNT: 'a number of bytes or elements is invalid',
  /**
   * @why often `rank + 1` of the last rank
   * @remedy take the rank modulo `size`, or use `PROC_NULL`
   */
  ERR_RANK: 'a rank lies outside its communicator',
  /**
   * @why `ANY_TAG` is for receives alone
   * @remedy correct it
   */
  ERR_TAG: 'a tag lies outside 0..TAG_UB',
  /**
   * @why a bitwise operation of floating-point numbers, `AVG` of integers; or a function of the program's own
   *   (`Op.of`, `Op.each`) threw
   * @remedy take an operation that the elements have; `error.cause` is what the function threw, at the rank
   *   that `error.peer` names
   */
  ERR_OP: 'an operation is none, is not for such elements, or threw an error',
  /**
   * @why what was passed is no request; or the lease was released
   * @remedy pass what `isend` and `irecv` gave
   */
  ERR_REQUEST: 'a request, or a lease, is invalid',
  /**
   * @why the ranks disagree about the length
   * @remedy make the buffer larger. The message is dropped, and the buffer is as it was
   */
  ERR_TRUNCATE: 'a message is larger than the buffer that receives it',
  /**
   * @why ranks of one communicator call different collective operations, or the same one with different types, lengths,
   *   roots or ops; or in another order
   * @remedy the message has both calls: make all ranks of the communicator call the same, in the same order. The communicator
   *   cannot be used for collective operations any more
   */
  ERR_MISMATCH: 'ranks called collective operations that do not fit together',
  /**
   * @why ranks wait for each other, none can go on, and nothing is on its way; or a rank blocks for a message from itself
   * @remedy the message says who waits for whom, and where: have one of them send first, or use `sendrecv`; to yourself post the receive first (`irecv`), or use `isend`
   */
  ERR_DEADLOCK: 'an operation could never complete, whatever anybody does',
  /**
   * @why a message was sent that no rank received
   * @remedy look for the missing receive
   */
  ERR_PENDING: 'MPI.finalize() found operations that never completed',
  /**
   * @why MPI starts once in a process
   * @remedy call `finalize` last, or not at all
   */
  ERR_FINALIZED: 'MPI was used after MPI.finalize()',
  /**
   * @why `MPI.init()` was called after the first use, or the process has loaded two copies of the
   *   package
   * @remedy remove the call; `npm ls dreg-mpi` shows the copies
   */
  ERR_INITIALIZED: 'MPI was started a second time',
  /**
   * @why a worker thread called it
   * @remedy pass the data to the main thread
   */
  ERR_THREAD: 'MPI was used outside the main thread',
  /**
   * @why a loop makes communicators and frees none; or another member of the new communicator has run out
   * @remedy `comm.free()`, or `using comm = …`
   */
  ERR_NO_CONTEXT: 'a rank has as many communicators as it can have',
  /**
   * @why a communicator was used after `free()`, or a pinned-memory manager after `close()`
   * @remedy free it later; keep it open, or make another
   */
  ERR_CLOSED: 'something was used after it was closed',
  /**
   * @why native code called `fork`
   * @remedy open what the child needs in the child
   */
  ERR_FORKED: 'a forked child used what belongs to its parent',

  // ---- Errors of other ranks

  /**
   * @why that rank threw an error, was killed, or its machine or network is down; or it left while a
   *   message from it was awaited
   * @remedy look at that rank's output first: its error is the cause
   */
  ERR_PEER_FAILED: 'a rank that this rank waits for has ended, left, or cannot be reached any more',
  /**
   * @why `comm.timeout` is set, and a rank did not send or receive in that time: it computes, waits for
   *   another one, or has no such call
   * @remedy the message says who is waited for, and in what: look at that rank; or wait longer. What was
   *   started (`isend`, `irecv`) is still under way, as is a blocking send, whose buffer is in use
   */
  ERR_TIMEOUT: 'a wait took longer than its communicator allows',
  /**
   * @why the rank runs on another node without RDMA, or `DREG_TRANSPORT` forbids the transport
   * @remedy `dregrun --doctor` on both nodes;
   *   [rdma.md](../operating/rdma.md#when-something-goes-wrong)
   */
  ERR_UNREACHABLE: 'no transport reaches a rank',
  /**
   * @why the ranks run different versions; else a bug
   * @remedy let all ranks run the same version
   */
  ERR_PROTOCOL: 'a rank sent something that is not of the protocol of this package',

  // ---- Errors of the machine

  /**
   * @why the platform's package was left out (`--omit=optional`), or is for another machine, or the package is
   *   inside a bundle
   * @remedy install `@dreg-mpi/linux-x64-gnu` (on ARM `linux-arm64-gnu`), or `npx dregrun build`; leave the
   *   package out of a bundle
   */
  ERR_ADDON: 'the native addon is missing or does not load',
  /**
   * @why variables of a launcher that is not there, or of two; no libpmix under a launcher that speaks
   *   PMIx; a child of a rank; ranks of different versions; too many ranks on one machine
   * @remedy [launching.md](../operating/launching.md)
   */
  ERR_LAUNCH: 'the launcher, or the connection to it, failed',
  /**
   * @why the machine, the cgroup, `ulimit -f` or `ulimit -l` has no more, or a
   *   [limit](../operating/limits.md) is reached
   * @remedy the message names what was asked for; raise the limit, or use less
   */
  ERR_NO_MEM: 'memory is exhausted',
  /**
   * @why `error.syscall` and `error.errno` say which call, and how
   * @remedy often a limit: `ulimit -n`
   */
  ERR_SYSTEM: 'a system call failed',
  /**
   * @why a monitor, RDMA or io_uring is missing or forbidden
   * @remedy `dregrun --doctor` says what to install
   */
  ERR_UNSUPPORTED: 'this machine or build lacks what was asked for',
  /**
   * @why a case that nobody thought of
   * @remedy report it, with the message and the program
   */
  ERR_INTERNAL: 'a bug in this package',
} as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The page that explains the codes, as programs find it: in the package. */
const PAGE = 'dreg-mpi/docs/reference/errors.md';
const ADDRESS = new RegExp(`(?:; | |\\n)see ${PAGE.replaceAll('.', '\\.')}#err_\\w+`, 'g');

/** Where a code is explained. */
export const addressOf = (code: ErrorCode) => `${PAGE}#${code.toLowerCase()}`;

/** A message, or a text made of some, without the addresses that they end with. */
export const withoutAddress = (message: string) =>
  message.includes(PAGE) ? message.replace(ADDRESS, '') : message;

/** A message with the address of its code at its end, once. */
function withAddress(code: ErrorCode, message: string): string {
  const bare = withoutAddress(message);
  const join = bare.includes('\n') ? '\n' : bare.endsWith('?') ? ' ' : '; ';
  return `${bare}${join}see ${addressOf(code)}`;
}

/** What a rank waits for. */
export interface WaitDetails {
  /** In the world. */
  readonly rank: number;
  /** The call: `recv`, `send`. */
  readonly operation: string;
  /** Of the communicator; negative where it may be any. */
  readonly peer?: number;
  readonly tag?: number;
  /** Calls of the program, innermost first, one a line; empty where nothing is known. */
  readonly stack?: string;
}

/** What an {@link MpiError} knows beside its message. Each is there only where it applies. */
export interface ErrorDetails {
  /** The rank that saw the error. */
  rank?: number;
  /** The rank at the other end. */
  peer?: number;
  /** The tag of the message. */
  tag?: number;
  /** ERR_DEADLOCK, ERR_TIMEOUT: who waits for whom, in what, and where in the program. */
  waits?: readonly WaitDetails[];
  /** The errno of the failing system call, positive. */
  errno?: number;
  /** The system call that failed. */
  syscall?: string;
  /** The error that led to this one. */
  cause?: unknown;
}

/** The one error type of this package (MPI 4.1, 9.4). A program branches on `code`. */
export class MpiError extends Error {
  /** What kind of failure it is. */
  readonly code: ErrorCode;
  /** The rank that saw the error. */
  readonly rank: number | undefined;
  /** The rank at the other end. */
  readonly peer: number | undefined;
  /** The tag of the message. */
  readonly tag: number | undefined;
  /** ERR_DEADLOCK, ERR_TIMEOUT: who waits for whom, in what, and where in the program. */
  readonly waits: readonly WaitDetails[] | undefined;
  /** The errno of the failing system call, positive. */
  readonly errno: number | undefined;
  /** The system call that failed. */
  readonly syscall: string | undefined;

  /**
   * Programs catch these errors; the package makes them.
   * @throws nothing
   */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(
      withAddress(code, message),
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.name = 'MpiError';
    this.code = code;
    this.rank = details.rank;
    this.peer = details.peer;
    this.tag = details.tag;
    this.waits = details.waits;
    this.errno = details.errno;
    this.syscall = details.syscall;
  }
}

/** 'EPERM' for 1: the name of an errno, for messages. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
}

/** Codes that an errno stands for whatever the call was. */
function codeOfErrno(errno: number): ErrorCode {
  const name = errnoName(errno);
  return name === 'ENOMEM' || name === 'ENOSPC' ? 'ERR_NO_MEM' : 'ERR_SYSTEM';
}

/**
 * The answer of a native call (a value >= 0, or a negative errno) or an {@link MpiError} that names
 * the call, what it was for, and the errno.
 */
export function check(
  answer: number,
  syscall: string,
  purpose: string,
  details: ErrorDetails = {},
): number {
  if (answer >= 0) return answer;
  const errno = -answer;
  throw new MpiError(codeOfErrno(errno), `${purpose}: ${syscall} failed with ${errnoName(errno)}`, {
    ...details,
    errno,
    syscall,
  });
}
