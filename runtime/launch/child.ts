/**
 * Child processes of dregrun. Between fork and exec a child enters the keeper's ledger, and asks the kernel
 * to end it with its parent. node:child_process has no place for that.
 */
import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { type SpawnOptions, spawnAddon } from '../../native/spawn.ts';
import { check, errnoName, MpiError } from '../base/error.ts';

/** How a process ended: one of the two is null. */
export interface ProcessEnd {
  status: number | null;
  signal: NodeJS.Signals | null;
}

/** What a process, with the children that it waited for, used until it ended. */
export interface Used {
  cpuMilliseconds: number;
  peakBytes: number;
}

export interface Child {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  /** Once it has ended. */
  readonly used: Used;
}

export interface ChildOptions extends Omit<SpawnOptions, 'environment' | 'fds'> {
  environment: NodeJS.ProcessEnv;
  /** Descriptor i of the child; null is /dev/null. */
  fds: readonly (number | null)[];
}

const TIMER_MAX_MS = 2 ** 31 - 1;
/** waitpid(2)'s status: the signal's number in the lowest bits, the exit status above. */
const SIGNAL_MASK = 0x7f;
const STATUS_SHIFT = 8;
const STATUS_MASK = 0xff;

interface Watched {
  resolve(end: ProcessEnd): void;
  used: Used;
}

const running = new Map<number, Watched>();
/** Keeps the event loop alive while children run: the handler of a signal does not. */
let hold: NodeJS.Timeout | undefined;
let look: NodeJS.Immediate | undefined;

/** @throws MpiError ERR_SYSTEM with the call that failed, such as `execve`, and its errno. */
export function startChild(options: ChildOptions): Child {
  const nothing = openSync('/dev/null', 'r+');
  let answer: number | [string, number];
  try {
    answer = spawnAddon().processSpawn({
      ...options,
      environment: Object.entries(options.environment).map(([name, value]) => `${name}=${value}`),
      fds: Int32Array.from(options.fds, (fd) => fd ?? nothing),
    });
  } finally {
    closeSync(nothing);
  }
  if (typeof answer !== 'number') throw failureOf(...answer);
  const pid = check(answer, 'vfork', 'starting a process');
  const used = { cpuMilliseconds: 0, peakBytes: 0 };
  return { pid, ended: watch(pid, used), used };
}

function failureOf(syscall: string, answer: number): MpiError {
  const errno = -answer;
  return new MpiError('ERR_SYSTEM', `${syscall} failed with ${errnoName(errno)}`, {
    errno,
    syscall,
  });
}

function watch(pid: number, used: Used): Promise<ProcessEnd> {
  if (hold === undefined) {
    process.on('SIGCHLD', reap);
    hold = setInterval(() => {}, TIMER_MAX_MS);
  }
  // The child may have ended before anybody listened.
  if (look === undefined) look = setImmediate(reap);
  return new Promise((resolve) => running.set(pid, { resolve, used }));
}

function reap(): void {
  look = undefined;
  const told = new Float64Array(2);
  for (const [pid, { resolve, used }] of running) {
    const answer = spawnAddon().processReap(pid, told);
    if (answer === 0) continue;
    running.delete(pid);
    [used.cpuMilliseconds, used.peakBytes] = told;
    // Other code may not wait for our children: without a status dregrun can say nothing of a child.
    resolve(answer < 0 ? { status: null, signal: null } : endOf(answer));
  }
  if (running.size > 0) return;
  clearInterval(hold);
  hold = undefined;
  process.off('SIGCHLD', reap);
}

function endOf(answer: number): ProcessEnd {
  const number = answer & SIGNAL_MASK;
  if (number === 0) return { status: (answer >> STATUS_SHIFT) & STATUS_MASK, signal: null };
  const known = Object.entries(constants.signals).find(([, value]) => value === number);
  return { status: null, signal: (known?.[0] ?? `SIG${number}`) as NodeJS.Signals };
}
