/**
 * Signals for the ranks alone, such as SIGUSR1. They end nothing. A process gets such a signal if it
 * handles it. A rank that does not handle it yet gets it once it does, because Node has its handlers only
 * some time after its start.
 */

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { membersOf, signalGroup } from './process-groups.ts';

/** How long a signal is held for a rank that does not handle it yet. */
export const SIGNAL_HOLD_MS = 10_000;
/** Milliseconds between two looks at whether a rank handles the signal. */
const LOOK_MS = 20;

interface Held {
  readonly group: number;
  readonly signal: NodeJS.Signals;
  readonly until: number;
}

export class HandedSignals {
  #held: Held[] = [];
  #timer: NodeJS.Timeout | undefined;

  hand(signal: NodeJS.Signals, groups: Iterable<number>): void {
    const until = performance.now() + SIGNAL_HOLD_MS;
    for (const group of groups)
      if (!this.#held.some((one) => one.group === group && one.signal === signal))
        this.#held.push({ group, signal, until });
    this.#look();
  }

  /** Forgets what is held: the job ends. */
  close(): void {
    this.#held = [];
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const members = membersOf(this.#held.map(({ group }) => group));
    const now = performance.now();
    this.#held = this.#held.filter(
      ({ group, signal, until }) =>
        now < until && signalGroup(group, 0) && !deliver(members?.get(group), group, signal),
    );
    if (this.#held.length === 0) this.close();
    else this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }
}

/** Whether a process of the group has handled it, or ignores it. */
function deliver(
  members: readonly number[] | undefined,
  group: number,
  signal: NodeJS.Signals,
): boolean {
  // Without /proc nobody can say.
  if (members === undefined) return signalGroup(group, signal);
  let heard = false;
  for (const pid of members) {
    const answer = dispositionOf(pid, signal);
    if (answer === 'default') continue;
    heard = true;
    if (answer === 'handled') signalProcess(pid, signal);
  }
  return heard;
}

/** @see proc(5), SigCgt and SigIgn of /proc/pid/status */
function dispositionOf(pid: number, signal: NodeJS.Signals): 'handled' | 'ignored' | 'default' {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return 'default'; // It has just ended.
  }
  const bit = 1n << BigInt(constants.signals[signal] - 1);
  const has = (field: string) =>
    (BigInt(`0x${new RegExp(`^${field}:\\s+(\\w+)`, 'm').exec(status)?.[1] ?? '0'}`) & bit) !== 0n;
  return has('SigCgt') ? 'handled' : has('SigIgn') ? 'ignored' : 'default';
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended.
  }
}
