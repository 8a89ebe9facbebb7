/**
 * Runs in the guest: all programs of a round one after the other, round by round, so that what the
 * machine does meanwhile hits all of them. Prints {@link Report}s.
 *
 *     node conductor.js DEVICE GID_INDEX BARE ROUNDS
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { Job, listens } from './job.ts';
import {
  type Answer,
  CACHED_BYTES,
  LATENCY_BYTES,
  type Report,
  type Task,
  TRANSFER_BYTES,
  WINDOW,
} from './measures.ts';
import { isTimeless, latencyOf, messageTimeOf, type Ticks } from './perftest.ts';
import { countsOf, perMessage, startCounting, stopCounting } from './system-calls.ts';

const [device, gidIndex, bare, roundsText] = process.argv.slice(2);
const ROUNDS = Number(roundsText);
/** Round trips before those that count: until V8 has compiled what they run for good. */
const WARM_UPS = 400_000;
const WARM_UP_MS = 40_000;
/** Windows of transfers before those that count, of each job. */
const WARM_UP_WINDOWS = 4;
/**
 * Before these so many of the shortest transfers: the same code, and what is compiled after some
 * thousand messages is not compiled after hundreds.
 */
const WARM_UP_SHORT = { windows: 24, count: 128 };
/** Transfers one after the other before system calls are counted: V8 calls the kernel while it compiles. */
const WARM_UP_SINGLES = 2000;
/** Round trips of a round, at most, and how long they may take about. */
const ROUND_TRIPS_MAX = 3000;
const ROUND_TRIPS_LEAST = 100;
const ROUND_NS = 5e8;
/** Messages of TRANSFER_BYTES in a round. */
const TRANSFERS = 64;
/** Messages of each size of CACHED_BYTES in a round. */
const CACHED_COUNTS = [60, 20, 4];
const PERFTEST_PORT = 18515;
const WAIT_MS = 20;
const PATIENCE_MS = 20_000;

const phase = (name: string) =>
  console.log(JSON.stringify({ phase: name, at: Math.round(performance.now()) }));
const report = (one: Report) => console.log(JSON.stringify(one));
const figure = (round: number, measure: string, who: string, bytes: number, ns: number) =>
  report({ kind: 'figure', round, measure, who, bytes, ns });

/** Runs a program to its end; what it printed. */
async function output(file: string, words: string[]): Promise<string> {
  const child = spawn(file, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new Error(`${file} ${words.join(' ')} ended with ${status}:\n${text}`);
  return text;
}

/** Times that a program of perftest is run until it knows how long a tick is. */
const TRIES = 8;

async function perftest(program: string, bytes: number, count: number): Promise<string> {
  for (let tries = TRIES; ; tries--) {
    const text = await perftestOnce(program, bytes, count);
    if (!isTimeless(text)) return text;
    if (tries === 1) throw new Error(`${program} does not find out how long a tick is:\n${text}`);
  }
}

/** Both ends of one of perftest's programs; what the client printed. */
async function perftestOnce(program: string, bytes: number, count: number): Promise<string> {
  const words = ['-d', device, '-x', gidIndex, '-F', '-s', String(bytes), '-n', String(count)];
  const server = output(program, words);
  server.catch(() => {}); // Its failure is thrown below, or the client's.
  for (let waited = 0; !listens(PERFTEST_PORT); waited += WAIT_MS) {
    if (waited > PATIENCE_MS) throw new Error(`${program} does not listen`);
    await new Promise((wake) => setTimeout(wake, WAIT_MS));
  }
  const text = await output(program, [...words, '127.0.0.1']);
  await server;
  return text;
}

const bareOf = async (...words: (string | number)[]) =>
  Number(await output(bare, [device, gidIndex, ...words.map(String)]));

/** How many round trips a round has: where a kernel takes its time for each, fewer. */
async function roundTrips(): Promise<number> {
  const ns = 2 * (await bareOf('latency', LATENCY_BYTES, ROUND_TRIPS_LEAST));
  return Math.max(ROUND_TRIPS_LEAST, Math.min(ROUND_TRIPS_MAX, Math.round(ROUND_NS / ns)));
}

async function latencies(round: number, job: Job, count: number, ticks: Ticks): Promise<void> {
  const bytes = LATENCY_BYTES;
  for (const program of ['ib_send_lat', 'ib_write_lat']) {
    const text = await perftest(program, bytes, count);
    figure(round, 'latency', program, bytes, latencyOf(text, ticks));
  }
  figure(round, 'latency', 'bare', bytes, await bareOf('latency', bytes, count));
  const { ns } = await job.run({ what: 'latency', bytes, count });
  figure(round, 'latency', 'ours', bytes, ns);
}

/** Throws unless all messages went the way that the job was told. */
function checkWay(job: Job, { gets, puts }: Answer, count: number): void {
  const [asked, other] = job.way === 'get' ? [gets, puts] : [puts, gets];
  if (asked.some((moved) => moved !== count) || other.some((moved) => moved !== 0))
    throw new Error(`of ${count} messages ${gets} went by get, ${puts} by put`);
}

async function moved(job: Job, task: Task): Promise<Answer> {
  const answer = await job.run(task);
  checkWay(job, answer, task.count);
  return answer;
}

async function transfers(round: number, job: Job, ticks: Ticks): Promise<void> {
  const bytes = TRANSFER_BYTES;
  const program = job.way === 'get' ? 'ib_read_bw' : 'ib_write_bw';
  const text = await perftest(program, bytes, TRANSFERS);
  figure(round, job.way, program, bytes, messageTimeOf(text, bytes, ticks));
  figure(round, job.way, 'bare', bytes, await bareOf(job.way, bytes, TRANSFERS, WINDOW));
  const { ns } = await moved(job, { what: 'window', bytes, count: TRANSFERS });
  figure(round, job.way, 'ours', bytes, ns);
}

async function cached(round: number, job: Job): Promise<void> {
  for (const [i, bytes] of CACHED_BYTES.entries()) {
    const { ns } = await moved(job, { what: 'single', bytes, count: CACHED_COUNTS[i] });
    figure(round, `cached ${job.way}`, job.monitor, bytes, ns);
  }
}

/** Ranks that poll and do not sleep: an emulated transfer takes so long that sleeping would be all that is seen. */
const BUSY = { DREG_SPIN_POLLS: '999999999' };

/** Two lengths of the same task, so that what surrounds it falls out. */
async function systemCalls(way: string): Promise<void> {
  const job = new Job('dreg', way, BUSY);
  const ranks = await job.ready();
  await warmUp([job], job);
  const [short] = CACHED_BYTES;
  await moved(job, { what: 'single', bytes: short, count: WARM_UP_SINGLES });
  const tasks: [measure: string, task: Task][] = [
    ['latency', { what: 'latency', bytes: LATENCY_BYTES, count: 500 }],
    [job.way, { what: 'single', bytes: short, count: 50 }],
    [job.way, { what: 'single', bytes: TRANSFER_BYTES, count: 10 }],
  ];
  for (const [measure, task] of tasks) {
    const seen: { counts: Map<string, number>; messages: number }[] = [];
    for (const times of [1, 9]) {
      const count = task.count * times;
      startCounting();
      await job.run({ ...task, count, untimed: true });
      const counts = countsOf(ranks);
      stopCounting();
      // A round trip is two messages.
      seen.push({ counts, messages: task.what === 'latency' ? 2 * count : count });
    }
    const found = perMessage(seen[0], seen[1]);
    report({ kind: 'calls', measure, bytes: task.bytes, perMessage: found });
  }
  await job.end();
}

async function looks(job: Job): Promise<void> {
  for (const bytes of CACHED_BYTES) {
    const [few, many] = [4, 12];
    const task: Task = { what: 'single', bytes, count: few, audit: true };
    const before = await moved(job, task);
    const after = await moved(job, { ...task, count: many });
    const further = after.looks[0] + after.looks[1] - before.looks[0] - before.looks[1];
    report({ kind: 'looks', measure: job.way, bytes, perMessage: further / (many - few) });
  }
}

async function warmUp(jobs: readonly Job[], first: Job): Promise<void> {
  const end = performance.now() + WARM_UP_MS;
  const count = 1000;
  for (let done = 0; done < WARM_UPS && performance.now() < end; done += count)
    await first.run({ what: 'latency', bytes: LATENCY_BYTES, count });
  const [bytes] = CACHED_BYTES;
  for (const job of jobs) {
    for (let i = 0; i < WARM_UP_SHORT.windows; i++)
      await moved(job, { what: 'window', bytes, count: WARM_UP_SHORT.count });
    for (let i = 0; i < WARM_UP_WINDOWS; i++)
      await moved(job, { what: 'window', bytes: TRANSFER_BYTES, count: TRANSFERS });
    for (const [i, bytes] of CACHED_BYTES.entries())
      await moved(job, { what: 'single', bytes, count: CACHED_COUNTS[i] });
  }
}

async function readTicks(): Promise<Ticks> {
  const [, nominal] = /^cpu MHz\s*:\s*([\d.]+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? [];
  return { tick: Number(await output(bare, ['ticks'])), nominalMHz: Number(nominal) };
}

async function main(): Promise<void> {
  phase('what dreg costs');
  const ticks = await readTicks();
  console.log(JSON.stringify(ticks));
  const part = await output(process.execPath, [
    join(packageRoot(), 'dist/test/bench/verbs/part.js'),
  ]);
  process.stdout.write(part);
  const jobs: Job[] = [];
  phase('start');
  for (const way of ['get', 'put'])
    for (const monitor of ['dreg', 'none']) {
      const job = new Job(monitor, way);
      await job.ready();
      jobs.push(job);
    }
  const ours = jobs.filter(({ monitor }) => monitor === 'dreg');
  phase('warm-up');
  await warmUp(jobs, ours[0]);
  const count = await roundTrips();
  for (let round = 1; round <= ROUNDS; round++) {
    phase(`round ${round} of ${ROUNDS}`);
    await latencies(round, ours[0], count, ticks);
    for (const job of ours) await transfers(round, job, ticks);
    for (const job of jobs) await cached(round, job);
  }
  phase('looks');
  for (const job of ours) await looks(job);
  for (const job of jobs) await job.end();
  phase('system calls');
  for (const way of ['get', 'put']) await systemCalls(way);
}

await main();
