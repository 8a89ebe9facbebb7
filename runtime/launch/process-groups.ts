/** Process groups: signals to them, and whether anything in them is alive. */
import { readdirSync, readFileSync } from 'node:fs';

/** Sends a signal to a whole group. False: no process of the group is left, not even a zombie. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    // EPERM: a process is there that has changed its user; the group is not gone.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * The groups in which a process runs. Zombies do not count: the init process collects orphans, and in a
 * container it may do so late or never.
 */
export function livingGroups(groups: Iterable<number>): Set<number> {
  const candidates = new Set([...groups].filter((group) => signalGroup(group, 0)));
  if (candidates.size === 0) return candidates;
  const members = membersOf(candidates);
  // No /proc: a zombie counts.
  return members === null ? candidates : new Set(members.keys());
}

/** The processes of each group in which something runs; null without /proc. */
export function membersOf(groups: Iterable<number>): Map<number, number[]> | null {
  const wanted = new Set(groups);
  const members = new Map<number, number[]>();
  let processes: string[];
  try {
    processes = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  } catch {
    return null;
  }
  for (const pid of processes) {
    const group = groupOfLiving(pid);
    if (group === undefined || !wanted.has(group)) continue;
    const known = members.get(group);
    if (known === undefined) members.set(group, [Number(pid)]);
    else known.push(Number(pid));
  }
  return members;
}

/** PF_EXITING of the kernel's sched.h. */
const EXITING = 4;

/** Whether a process has begun to end: others may notice before its parent does. */
export function isExiting(pid: number): boolean {
  try {
    const [state, , , , , , flags] = statOf(pid);
    return state === 'Z' || (Number(flags) & EXITING) !== 0;
  } catch {
    return false; // It has ended, or there is no /proc.
  }
}

/** What the kernel says of a process, from its state on. Throws where it has just ended. */
function statOf(pid: number | string): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // pid (name) state ppid pgrp …: the name may hold blanks and brackets.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** The process group of a process that is no zombie. */
function groupOfLiving(pid: string): number | undefined {
  try {
    const [state, , group] = statOf(pid);
    return state === 'Z' || state === 'X' ? undefined : Number(group);
  } catch {
    return undefined; // It has just ended.
  }
}
