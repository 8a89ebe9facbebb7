/** Starts jobs under a launcher, finds what they leave behind, and makes a test of each case. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../native/addon.ts';
import { DREGRUN, type Ended, killSurvivors, start, survivors } from '../tools/launcher.ts';
import { MORE_RANKS, QUICK_RANKS_MAX, RANKS, type Settings } from './job.ts';
import type { ListedJob } from './rank.ts';

/** Ends a job that hangs; only broken code needs it. */
const TIMEOUT_SECONDS = 300;

/** A compiled program of test/. */
export const program = (name: string) => join(packageRoot(), 'dist/programs', `${name}.js`);
const RANK = program('jobs/rank');

export interface JobOptions {
  ranks: number;
  /** Arguments of the program. */
  words?: readonly string[];
  /** Node's own options. */
  nodeOptions?: readonly string[];
  /** Environment of the launcher, and so of the ranks. */
  environment?: Settings;
  /** A command that the launcher runs under, such as `taskset -c 0`. */
  under?: readonly string[];
  timeoutSeconds?: number;
}

export interface JobEnded extends Ended {
  /** Processes that outlived the job; they have been killed. */
  orphans: number[];
  /** What it left on /dev/shm. */
  shared: string[];
}

// A folder dreg-mpi-UID has the names of memory that any processes of this user share.
const sharedMemory = () =>
  readdirSync('/dev/shm').filter((name) => /dreg(?!-mpi-\d+$)/i.test(name));

/** Words that start dregrun with a program of test/. */
export function dregrunWords(name: string, options: JobOptions): string[] {
  const { ranks, words = [], nodeOptions = [], timeoutSeconds = TIMEOUT_SECONDS } = options;
  const node = nodeOptions.length === 0 ? [] : [process.execPath, ...nodeOptions];
  const limits = ['-n', String(ranks), '--timeout', String(timeoutSeconds)];
  return [DREGRUN, ...limits, ...node, program(name), ...words];
}

/** Runs a program of test/ with dregrun: `jobs/cost/programs/idle`. */
export function runJob(name: string, options: JobOptions): Promise<JobEnded> {
  const words = [process.execPath, ...dregrunWords(name, options)];
  return runCommand([...(options.under ?? []), ...words], options.environment);
}

export async function runCommand(
  [file, ...words]: readonly string[],
  environment: Settings = {},
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
export async function runWell(name: string, options: JobOptions): Promise<void> {
  expectAllWell(await runJob(name, options), options.ranks);
}

/** All that test/jobs/ has, in the order of their names. */
export function listJobs(): ListedJob[] {
  const { stdout, stderr, status } = spawnSync(process.execPath, [RANK, '--list'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the jobs cannot be listed:\n${stderr}`);
  return JSON.parse(stdout);
}

/** Jobs of one start: all its ranks run all their cases. */
export interface Launch {
  ranks: number;
  jobs: ListedJob[];
  settings: Settings;
  nodeOptions: readonly string[];
}

/** Those of the jobs that run anywhere, with so many ranks. */
export function together(jobs: readonly ListedJob[], ranks: number): Launch {
  const fit = jobs.filter(({ ranks, settings, alone, nodeOptions }) =>
    [ranks, settings, alone, nodeOptions].every((one) => one === undefined),
  );
  return { ranks, jobs: fit, settings: {}, nodeOptions: [] };
}

const FEW_NAMES = [
  'collective/bcast',
  'collective/persistent',
  'communicators/split',
  'point-to-point/isend',
  'point-to-point/recv',
  'point-to-point/send',
  'point-to-point/sendrecv',
];
/** Those with something of every kind of message: where all jobs would say no more. */
export const someJobs = (jobs: readonly ListedJob[]) =>
  jobs.filter(({ name }) => FEW_NAMES.includes(name));

/** A job with so many ranks, and the settings of that place among its own. */
interface Run {
  ranks: number;
  place: number;
}

/** With all its ranks and settings. Alone a rank has no shared memory that settings could be about. */
function allRuns({ ranks, settings = [{}] }: ListedJob): Run[] {
  const counts = ranks ?? [...RANKS, ...MORE_RANKS];
  return counts.flatMap((count) =>
    settings.slice(0, count === 1 ? 1 : undefined).map((_, place) => ({ ranks: count, place })),
  );
}

/** In `npm test`: its first settings with all its ranks, each other with the most or the fewest that talk. */
function isQuick({ ranks: own = RANKS }: ListedJob, { ranks, place }: Run): boolean {
  const few = own.filter((count) => count <= QUICK_RANKS_MAX);
  if (place === 0) return few.includes(ranks);
  const talking = few.filter((count) => count > 1);
  return ranks === talking.at(place % 2 === 0 ? 0 : -1);
}

/** Every job with its ranks and settings, in as few starts as can be: those of `npm test`, or all others. */
export function launches(jobs: readonly ListedJob[], which: 'quick' | 'others'): Launch[] {
  const found = new Map<string, Launch>();
  for (const job of jobs)
    for (const run of allRuns(job)) {
      if (isQuick(job, run) !== (which === 'quick')) continue;
      const { nodeOptions = [] } = job;
      const alone = job.alone || nodeOptions.length > 0;
      const settings = job.settings?.[run.place] ?? {};
      const key = JSON.stringify([run.ranks, settings, alone && job.name]);
      if (!found.has(key)) found.set(key, { ranks: run.ranks, settings, nodeOptions, jobs: [] });
      found.get(key)!.jobs.push(job);
    }
  return [...found.values()];
}

/** What a start's ranks are told. */
export function rankWords({ jobs, nodeOptions }: Launch): string[] {
  return [...nodeOptions, RANK, ...jobs.map(({ name }) => name)];
}

export function runLaunch(launch: Launch, options: Partial<JobOptions> = {}): Promise<JobEnded> {
  const { ranks, jobs, settings, nodeOptions } = launch;
  const words = jobs.map(({ name }) => name);
  const environment = { ...settings, ...options.environment };
  return runJob('jobs/rank', { ranks, words, nodeOptions, ...options, environment });
}

const lineOf = (job: string, what: string) => `ok ${job}: ${what}`;

/** Every rank says of every case that it went well, and nothing else. */
export function expectCases(job: JobEnded, { ranks, jobs }: Launch): void {
  const lines = jobs.flatMap(({ name, cases }) => cases.map((what) => lineOf(name, what)));
  expect(sortedLines(job.stdout)).toEqual(lines.flatMap((line) => Array(ranks).fill(line)).sort());
  expect(job).toMatchObject({ status: 0, signal: null, orphans: [], shared: [] });
}

/** A test of each case of a start, and one of its end. */
export function launchTests(what: string, launch: Launch, run = () => runLaunch(launch)): void {
  const set = Object.entries(launch.settings).map(([name, value]) => `, ${name}=${value}`);
  describe(`${what}${set.join('')}`, () => {
    let job: JobEnded;
    beforeAll(async () => {
      job = await run();
    });

    for (const { name, cases } of launch.jobs)
      test.each(cases)(`${name}: %s`, (what) => {
        const said = job.stdout.split('\n').filter((line) => line === lineOf(name, what)).length;
        expect({ said, stderr: job.stderr }).toEqual({ said: launch.ranks, stderr: '' });
      });

    test('the job ends well and leaves nothing', () => expectCases(job, launch));
  });
}

/** A test of each case of starts. */
export function launchAll(starts: readonly Launch[]): void {
  for (const launch of starts) {
    const alone = launch.jobs.length === 1 ? `${launch.jobs[0].name}, ` : '';
    launchTests(`${alone}${launch.ranks === 1 ? '1 rank' : `${launch.ranks} ranks`}`, launch);
  }
}
