/** How a job ended, and dregrun's message and status for it. */
import { constants } from 'node:os';
import { errnoName, type MpiError } from '../base/error.ts';
import { EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND } from './program.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_TIMEOUT = 124;
/** A shell's status for what a signal ended is this plus the signal's number. */
export const EXIT_SIGNAL_BASE = 128;

export type Reason =
  | 'finished'
  | 'exit'
  | 'signal'
  | 'abort'
  | 'unfinalized'
  | 'deadlock'
  | 'start'
  | 'timeout'
  | 'interrupted'
  | 'output';

/** Why the job ended; the first cause counts. */
export interface Cause {
  reason: Reason;
  /** dregrun's exit status. */
  status: number;
  /** The rank that caused it, where one did. */
  rank?: number;
  /** The message for the user. A job that finished has none, nor has a job whose reader went away. */
  message?: string;
}

/** What a rank used and sent. */
export interface RankSummary {
  /** From its start to its end. */
  milliseconds: number;
  cpuMilliseconds: number;
  peakBytes: number;
  /** To other ranks; null of a rank that has not finalized, or is no program of this package. */
  messages: number | null;
  bytes: number | null;
}

export interface RankOutcome {
  rank: number;
  pid: number | null;
  /** Its exit status; null where a signal ended it or it never ran. */
  status: number | null;
  signal: NodeJS.Signals | null;
  initialized: boolean;
  finalized: boolean;
  /** With `--summary`. */
  summary?: RankSummary;
}

/** What `--json` prints. */
export interface Outcome {
  job: string;
  program: string;
  size: number;
  reason: Reason;
  status: number;
  rank: number | null;
  message: string | null;
  milliseconds: number;
  ranks: RankOutcome[];
}

export function signalStatus(signal: NodeJS.Signals): number {
  return EXIT_SIGNAL_BASE + constants.signals[signal];
}

/** The cause that a rank's end is for the job; undefined for a normal end. */
export function causeOfExit(rank: RankOutcome): Cause | undefined {
  const who = `rank ${rank.rank} (pid ${rank.pid})`;
  if (rank.signal !== null)
    return {
      reason: 'signal',
      status: signalStatus(rank.signal),
      rank: rank.rank,
      message: `${who} was ended by ${rank.signal}`,
    };
  if (rank.status !== 0)
    return {
      reason: 'exit',
      status: rank.status ?? EXIT_FAILED,
      rank: rank.rank,
      message: `${who} ended with status ${rank.status}`,
    };
  if (rank.initialized && !rank.finalized)
    return {
      reason: 'unfinalized',
      status: EXIT_FAILED,
      rank: rank.rank,
      message: `${who} ended with status 0 after MPI.init() but without MPI.finalize()`,
    };
  return undefined;
}

/** Why a rank's program could not be executed, as shells number it. */
export function causeOfNoStart(rank: number, file: string, error: MpiError): Cause {
  const errno = error.syscall === 'execve' ? errnoName(error.errno ?? 0) : '';
  const status =
    errno === 'ENOENT' ? EXIT_NOT_FOUND : errno === 'EACCES' ? EXIT_NOT_EXECUTABLE : EXIT_FAILED;
  const remedy =
    errnoName(error.errno ?? 0) === 'EMFILE' ? ': raise ulimit -n, or start fewer' : '';
  const message = `rank ${rank}: ${file} did not start: ${error.message}${remedy}`;
  return { reason: 'start', status, rank, message };
}

/** An abort is a failure, even if the lowest eight bits of its code are 0. */
export function causeOfAbort(rank: number, code: number): Cause {
  return {
    reason: 'abort',
    status: code & 0xff || EXIT_FAILED,
    rank,
    message: `rank ${rank} aborted the job with code ${code}`,
  };
}
