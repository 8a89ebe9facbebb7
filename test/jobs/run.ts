/** Runs a compiled job program under a launcher, and finds what it leaves behind. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { packageRoot } from '../../native/addon.ts';
import { DREGRUN, type Ended, killSurvivors, start, survivors } from '../tools/launcher.ts';

/** Ends a job that hangs; only broken code needs it. */
const TIMEOUT_SECONDS = 50;

export const jobProgram = (name: string) => join(packageRoot(), 'dist/test/jobs', `${name}.js`);

export interface JobOptions {
  ranks: number;
  /** Arguments of the program. */
  words?: string[];
  /** Node's own options. */
  nodeOptions?: string[];
  /** Options of dregrun, before the program. */
  launcherOptions?: string[];
  /** Environment of the launcher, and so of the ranks. */
  environment?: NodeJS.ProcessEnv;
  /** A command that the launcher runs under, such as `taskset -c 0`. */
  under?: string[];
  timeoutSeconds?: number;
}

export interface JobEnded extends Ended {
  /** Processes that outlived the job; they have been killed. */
  orphans: number[];
  /** What it left on /dev/shm. */
  shared: string[];
}

const sharedMemory = () => readdirSync('/dev/shm').filter((name) => /dreg/i.test(name));

/** Runs a program of test/jobs with dregrun. */
export async function runJob(program: string, options: JobOptions): Promise<JobEnded> {
  const words = [
    ...(options.under ?? []),
    process.execPath,
    DREGRUN,
    ...['-n', String(options.ranks)],
    ...['--timeout', String(options.timeoutSeconds ?? TIMEOUT_SECONDS)],
    ...(options.launcherOptions ?? []),
    ...nodeWords(program, options),
  ];
  return runCommand(words, options.environment);
}

/** What starts one rank of a program. */
export function nodeWords(program: string, options: JobOptions): string[] {
  const node = options.nodeOptions ?? [];
  const start = node.length === 0 ? [] : [process.execPath, ...node];
  return [...start, jobProgram(program), ...(options.words ?? [])];
}

export async function runCommand(
  [file, ...words]: string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<JobEnded> {
  const before = new Set(sharedMemory());
  const running = start(file, words, { environment });
  const ended = await running.ended;
  const orphans = survivors(running.mark);
  killSurvivors(running.mark);
  return { ...ended, orphans, shared: sharedMemory().filter((name) => !before.has(name)) };
}

/** The lines that ranks wrote, sorted: ranks write in any order. */
export const sortedLines = (text: string) => text.split('\n').filter(Boolean).sort();

/** A job whose every rank came to its end, said so, and said nothing on stderr. */
export function expectAllWell(job: JobEnded, ranks: number): void {
  const lines = Array.from({ length: ranks }, (_, rank) => `rank ${rank} ok`);
  expect({ ...job, stdout: sortedLines(job.stdout) }).toEqual({
    status: 0,
    signal: null,
    stdout: lines.sort(),
    stderr: '',
    orphans: [],
    shared: [],
  });
}

/** Runs a program that checks everything itself. */
export async function runWell(program: string, options: JobOptions): Promise<void> {
  expectAllWell(await runJob(program, options), options.ranks);
}
