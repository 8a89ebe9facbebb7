/**
 * What the ranks of a job wait for, as dregrun sees it: it reads their shared segments from outside, so that
 * ranks that hang answer as well (docs/internals/deadlock.md).
 */
import { closeSync, fstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import {
  CONTROL,
  CONTROL_BYTES,
  controlOffset,
  HEADER,
  MAX_LOCAL_RANKS,
  PAGE_BYTES,
  SEGMENT_MAGIC,
  SEGMENT_VERSION,
  WAIT_TEXT,
  WAIT_TEXT_BYTES,
} from '../../transports/shm/layout.ts';
import { decodeWait, tableOf, type Wait } from '../messaging/deadlock/waits.ts';
import { membersOf } from './process-groups.ts';

/** Between two looks at how long the ranks have waited, with `--stuck`; in milliseconds. */
export const STUCK_LOOK_MS = 500;

/** Waits of a job's ranks, by world rank. */
export function readWaits(jobId: string, groups: Iterable<number>): Wait[] {
  const waits: Wait[] = [];
  const seen = new Set<number>();
  for (const file of segmentsOf(jobId, groups)) {
    const segment = openSegment(file, seen);
    if (segment === undefined) continue;
    try {
      waits.push(...waitsIn(segment));
    } finally {
      closeSync(segment);
    }
  }
  return waits.sort((a, b) => a.rank - b.rank);
}

/** For a person, with a line for each rank of the job. */
export function describeWaits(
  waits: readonly Wait[],
  ranks: number,
  hasEnded: (rank: number) => boolean,
): string {
  const lines: string[] = [];
  for (let rank = 0; rank < ranks; rank++) {
    const wait = waits.find((one) => one.rank === rank);
    if (hasEnded(rank)) lines.push(`  rank ${rank} has ended`);
    else if (wait) lines.push(tableOf([wait]));
    else lines.push(`  rank ${rank} runs, or has waited for less than a second`);
  }
  return lines.join('\n');
}

/** Descriptors of the ranks' processes that are segments of the job. */
function* segmentsOf(jobId: string, groups: Iterable<number>): Generator<string> {
  const name = `/memfd:dreg-mpi ${jobId} (deleted)`;
  for (const pids of membersOf(groups)?.values() ?? [])
    for (const pid of pids)
      for (const fd of listed(`/proc/${pid}/fd`)) {
        const file = `/proc/${pid}/fd/${fd}`;
        if (linkOf(file) === name) yield file;
      }
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // It has just ended, or is another user's.
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}

/** Undefined where it is gone, or was seen before: all ranks of a node have the same. */
function openSegment(file: string, seen: Set<number>): number | undefined {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return undefined;
  }
  const { ino } = fstatSync(fd);
  if (!seen.has(ino)) {
    seen.add(ino);
    return fd;
  }
  closeSync(fd);
  return undefined;
}

function waitsIn(segment: number): Wait[] {
  const header = wordsOf(segment, 0, PAGE_BYTES);
  const ours = header[HEADER.magic] === SEGMENT_MAGIC && header[HEADER.version] === SEGMENT_VERSION;
  const ranks = ours ? Math.min(header[HEADER.ranks], MAX_LOCAL_RANKS) : 0;
  const waits: Wait[] = [];
  for (let local = 0; local < ranks; local++) {
    const wait = waitIn(segment, controlOffset(local));
    if (wait !== undefined) waits.push(wait);
  }
  return waits;
}

function waitIn(segment: number, offset: number): Wait | undefined {
  const control = wordsOf(segment, offset, CONTROL_BYTES);
  const word = control[CONTROL.wait];
  // The rank may have gone on while it was read.
  const same = wordsOf(segment, offset, PAGE_BYTES)[CONTROL.wait] === word;
  if ((word & 1) === 0 || !same) return undefined;
  const length = Math.min(control[WAIT_TEXT / 4 - 1] >>> 0, WAIT_TEXT_BYTES);
  return decodeWait(Buffer.from(control.buffer, WAIT_TEXT, length).toString());
}

function wordsOf(segment: number, offset: number, bytes: number): Int32Array {
  const words = new Int32Array(bytes / 4);
  readSync(segment, words, 0, bytes, offset);
  return words;
}
