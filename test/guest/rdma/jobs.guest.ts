/** Jobs over RDMA with the module loaded: they need a device, so that they run in the guest. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import type { Rendezvous } from '../../jobs/job.ts';
import {
  dregrunWords,
  expectAllWell,
  type JobEnded,
  type JobOptions,
  type Launch,
  launchTests,
  listJobs,
  runJob,
  someJobs,
  together,
} from '../../jobs/run.ts';
import { killSurvivors, start, survivors, until } from '../../tools/launcher.ts';
import type { Report } from './programs/report.ts';

type Way = Exclude<Rendezvous, 'auto'>;

/** 6.12 gives its software device to threads, which makes everything some times slower. */
const SLOW = process.env.GUEST_KERNEL === '6.12';
/** The share of a program's messages that a guest has time for. */
const SCALE = SLOW ? '0.05' : '0.2';
const REPORT = join(packageRoot(), 'dist/programs/guest/rdma/programs/report.js');
const SCHEMES: Way[] = ['get', 'put', 'copy'];
/** Ends a job that hangs; only broken code needs it. */
const TIMEOUT_SECONDS = 1200;

interface Over extends JobOptions {
  /** DREG_RNDV */
  way: Rendezvous;
}

/** Runs a job over RDMA; what its ranks report at the end. */
async function runOver(program: string, options: Over): Promise<[JobEnded, Report[]]> {
  const folder = mkdtempSync(join(tmpdir(), 'dreg-report-'));
  const job = await runJob(program, {
    timeoutSeconds: TIMEOUT_SECONDS,
    ...options,
    nodeOptions: ['--import', REPORT, ...(options.nodeOptions ?? [])],
    environment: {
      DREG_TRANSPORT: 'verbs',
      DREG_RNDV: options.way,
      DREG_TEST_REPORT: folder,
      DREG_TEST_SCALE: SCALE,
      ...options.environment,
    },
  });
  const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  return [job, files.map((text) => JSON.parse(text) as Report)];
}

/** Registrations that the device still has, of whatever process. */
const registrations = () =>
  spawnSync('rdma', ['resource', 'show', 'mr'], { encoding: 'utf8' }).stdout;

/** Messages that came each way over RDMA, at all ranks; no large one came otherwise. */
function ways(reports: Report[]): Record<Way | 'share', number> {
  const sum = { get: 0, put: 0, copy: 0, share: 0 };
  for (const { messages } of reports) {
    const { self: _, verbs, ...others } = messages;
    expect(others).toEqual({});
    // Of a job of small messages there is nothing to count.
    if (verbs === undefined) continue;
    for (const [way, count] of Object.entries(verbs.received)) sum[way as Way] += count;
  }
  return sum;
}

/** The monitor was dreg, the messages went as they were told, and nothing is pinned any more. */
function checkReports(reports: Report[], ranks: number, gone?: Way[], copies = false): void {
  expect(reports.map(({ memory, pinned }) => [memory?.monitor, pinned])).toEqual(
    new Array(ranks).fill(['dreg', 0]),
  );
  expect(registrations()).toBe('');
  const sum = ways(reports);
  if (gone === undefined) return;
  const told = (way: Way) => !(copies && way === 'copy');
  expect(SCHEMES.filter((way) => sum[way] > 0).filter(told)).toEqual(gone.filter(told));
}

/** Of a buffer that is taken away the sender can export nothing: then it is copied; and so is what is not contiguous. */
const COPIES_TOO = ['point-to-point/detach', 'every job'];

/** A start over RDMA: a test of each of its cases, and one of what its ranks report. */
function overRdma(what: string, launch: Launch, way: Rendezvous, gone?: Way[]): void {
  const { ranks, jobs, settings, nodeOptions } = launch;
  const words = jobs.map(({ name }) => name);
  const options = { ranks, words, nodeOptions, environment: settings, way };
  let reports: Report[];
  describe(`${what}, ${ranks} ranks, ${way}`, () => {
    launchTests('jobs', launch, async () => {
      const [job, told] = await runOver('jobs/rank', options);
      reports = told;
      return job;
    });
    test('dreg watched, nothing is pinned, large messages went that way', () =>
      checkReports(reports, ranks, gone, COPIES_TOO.includes(what)));
  });
}

const jobs = listJobs();
const alone = jobs.filter(({ rdma = [] }) => rdma.length > 0);
const anywhere = jobs.filter(({ rdma }) => rdma === undefined);
/** All ways, and all sizes of a job. A choice by cost tries all ways. */
const RUNS: [number, Rendezvous][] = SLOW
  ? [
      [3, 'put'],
      [2, 'auto'],
    ]
  : [
      [2, 'put'],
      [3, 'get'],
      [5, 'auto'],
    ];

// What `npm test` has time for (test/guest/quick.ts).
const few = { ...together(anywhere, 2), jobs: someJobs(anywhere) };
overRdma('some jobs', few, 'put', ['put']);

for (const [ranks, way] of RUNS)
  overRdma('every job', together(anywhere, ranks), way, way === 'auto' ? SCHEMES : [way]);
for (const job of alone) {
  const { name, settings: [settings = {}] = [], nodeOptions = [], heavy, rdma = [] } = job;
  for (const [ranks, way] of SLOW ? rdma.slice(0, heavy ? 0 : 1) : rdma) {
    const launch = { ranks, jobs: [job], settings, nodeOptions };
    // Without large messages nothing is to be said of their way.
    overRdma(name, launch, way, way === 'auto' ? undefined : [way]);
  }
}

const TWO = { ranks: 2 };

test('a rank that waits sleeps', async () => {
  const idle = 'jobs/cost/programs/idle';
  const [ended, reports] = await runOver(idle, { ...TWO, way: 'auto' });
  expectAllWell(ended, 2);
  checkReports(reports, 2);
});

describe.skipIf(SLOW)('memory of connections', () => {
  /** KiB at rank 0, alone and after each peer that it has talked to. */
  async function used(ranks: number): Promise<number[]> {
    const [{ stdout, stderr }] = await runOver('guest/rdma/programs/connected', {
      ranks,
      way: 'auto',
    });
    expect(stderr).toBe('');
    return JSON.parse(stdout) as number[];
  }

  test('at most 64 KiB for each peer, none for those that were never talked to', async () => {
    const two = await used(2);
    const five = await used(5);
    expect([two.length, five.length]).toEqual([2, 5]);
    expect(five[0]).toBe(two[0]);
    // The first one brings what all share. When the others connect is their affair.
    const further = (five[4] - two[1]) / 3;
    expect(further).toBeGreaterThan(0);
    expect(further).toBeLessThanOrEqual(64);
  });
});

describe('ranks and devices that fail', () => {
  test.skipIf(SLOW).each([
    ['recvSync', 'get'],
    ['await send, large', 'put'],
  ] as const)('%s of a peer that has left, %s', async (how, way) => {
    const [ended] = await runOver('jobs/environment/programs/left', {
      ...TWO,
      way,
      words: [how, 'before'],
    });
    expectAllWell(ended, 2);
    expect(registrations()).toBe('');
  });

  const ONE_SIDED = SLOW ? (['put'] as const) : (['get', 'put'] as const);

  test.each(ONE_SIDED)('a rank that is killed in mid-transfer, %s', async (way) => {
    const [ended] = await runOver('jobs/environment/programs/killed', {
      ranks: 3,
      way,
      words: ['SIGKILL'],
    });
    expect({ ...ended, stderr: '' }).toEqual({
      status: 137,
      signal: null,
      stdout: 'under way\n',
      stderr: '',
      orphans: [],
      shared: [],
    });
    expect(registrations()).toBe('');
  });

  /** A job that is in the midst of large messages; `stop` ends it in order. */
  async function streaming(way: Way) {
    const stop = join(mkdtempSync(join(tmpdir(), 'dreg-stop-')), 'stop');
    const program = 'guest/rdma/programs/streaming';
    const timeoutSeconds = TIMEOUT_SECONDS;
    const words = dregrunWords(program, { ...TWO, words: [stop], timeoutSeconds });
    const environment = { DREG_TRANSPORT: 'verbs', DREG_RNDV: way };
    const running = start(process.execPath, words, { environment });
    await until('messages are under way', () => running.seen().includes('under way'));
    return { running, stop: () => writeFileSync(stop, '') };
  }

  test.each(ONE_SIDED)('the network goes in mid-transfer, %s', async (way) => {
    const { running } = await streaming(way);
    expect(spawnSync('ip', ['link', 'set', 'lo', 'down']).status).toBe(0);
    const { status, stdout, stderr } = await running.ended;
    expect(spawnSync('ip', ['link', 'set', 'lo', 'up']).status).toBe(0);
    expect({ status, stderr, lines: stdout.split('\n').sort() }).toEqual({
      status: 0,
      stderr: '',
      lines: [
        '',
        'rank 0: ERR_PEER_FAILED of rank 1',
        'rank 1: ERR_PEER_FAILED of rank 0',
        'under way',
      ],
    });
    expect(survivors(running.mark)).toEqual([]);
    expect(registrations()).toBe('');
  });

  // The last one: it takes the device away.
  test('the device is removed in mid-transfer', async () => {
    const { running, stop } = await streaming('put');
    const removal = spawn('rdma', ['link', 'delete', 'rxe0'], { stdio: 'ignore' });
    const removed = new Promise((resolve) => removal.once('exit', resolve));
    // rxe waits for those who use it, and serves them meanwhile; other devices fail at once.
    await sleep(300);
    stop();
    const { status, stdout, stderr } = await running.ended;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^rank 0(?: ok|: ERR_PEER_FAILED of rank 1)$/m);
    expect(stdout).toMatch(/^rank 1(?: ok|: ERR_PEER_FAILED of rank 0)$/m);
    expect(await removed).toBe(0);
    killSurvivors(running.mark);
    expect(existsSync('/sys/class/infiniband/rxe0')).toBe(false);
  });
});
