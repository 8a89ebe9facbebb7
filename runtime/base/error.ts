import { getSystemErrorMap } from 'node:util';

/**
 * Every way in which an operation of this package can fail. A program branches on the code; the
 * message is for its reader: what happened, to which rank, and what to do.
 */
export const ERROR_CODES = {
  ERR_ARG: 'an argument is of the wrong type or out of range',
  ERR_BUFFER: 'a buffer is missing, detached, shrunk, or no buffer at all',
  ERR_COUNT: 'a byte count or element count is invalid',
  ERR_RANK: 'a rank lies outside its communicator',
  ERR_TAG: 'a tag lies outside 0..TAG_UB',
  ERR_REQUEST: 'a request is invalid',
  ERR_TRUNCATE: 'a message is larger than the buffer that receives it',
  ERR_FINALIZED: 'MPI was used after MPI.finalize()',
  ERR_INITIALIZED: 'MPI.init() was called a second time',
  ERR_CLOSED: 'something was used after it was closed',
  ERR_FORKED: 'a forked child used what belongs to its parent',
  ERR_THREAD: 'MPI was used outside the main thread',
  ERR_NO_CONTEXT: 'a rank has as many communicators as it can have',
  ERR_NO_MEM: 'memory (or the shared segment) is exhausted',
  ERR_ADDON: 'the native addon is missing or does not load',
  ERR_LAUNCH: 'the launcher or its PMI connection failed',
  ERR_UNREACHABLE: 'no transport reaches a rank',
  ERR_PROTOCOL: 'a peer sent something that is not of our protocol',
  ERR_PEER_FAILED: 'a peer process ended or failed',
  ERR_PENDING: 'MPI.finalize() found operations that never completed',
  ERR_DEADLOCK: 'an operation could never complete, whatever anybody does',
  ERR_SYSTEM: 'a system call failed',
  ERR_UNSUPPORTED: 'this machine or build lacks what was asked for',
  ERR_INTERNAL: 'a bug in this package',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** What an {@link MpiError} knows beside its message; each only where it applies. */
export interface ErrorDetails {
  /** The rank that saw the error. */
  rank?: number;
  /** The rank at the other end. */
  peer?: number;
  tag?: number;
  /** The errno of the failing system call, positive. */
  errno?: number;
  /** The system call that failed. */
  syscall?: string;
  cause?: unknown;
}

/** The one error type of this package. */
export class MpiError extends Error {
  readonly code: ErrorCode;
  readonly rank: number | undefined;
  readonly peer: number | undefined;
  readonly tag: number | undefined;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'MpiError';
    this.code = code;
    this.rank = details.rank;
    this.peer = details.peer;
    this.tag = details.tag;
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
