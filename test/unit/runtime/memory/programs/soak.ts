/**
 * The soak: threads that allocate, send, receive, free, remap and collect in a random order, from
 * cached registrations, and compare every byte. Prints TAP, and one line of figures.
 *
 *   node soak.js --monitor userfaultfd --operations 100000 --threads 4 --seed 1
 *   node soak.js --transport verbs --monitor dreg --operations 8000
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { Monitor } from '../../../../../runtime/memory/monitor.ts';
import { type MonitorName, openMonitor } from '../../../../../runtime/memory/monitors/open.ts';
import { Channel } from '../../../../conformance/domains/channel.ts';
import type { Mover } from '../../../../conformance/domains/mover.ts';
import { NaiveMonitor } from '../../../../conformance/domains/naive.ts';
import { PIN_BYTES, type Result, SLOTS, Soaker } from '../../../../conformance/domains/soaker.ts';
import { SIDES, VerbsChannel } from '../../../../conformance/domains/verbs-channel.ts';
import { helpers } from '../../../../tools/native/helpers.ts';

interface Task {
  monitor: string;
  transport: string;
  operations: number;
  seed: number;
}

function open(name: string): Monitor {
  if (name === 'naive') return new NaiveMonitor(SLOTS);
  return openMonitor(name as MonitorName, { slots: SLOTS });
}

function moverOf({ monitor, transport, seed }: Task): Mover {
  const limits = { bytes: PIN_BYTES };
  if (transport !== 'verbs') return new Channel(open(monitor), { limits });
  return new VerbsChannel(open(monitor), SIDES[seed % SIDES.length], { limits });
}

/** What a thread answers. */
interface ThreadResult extends Result {
  /** Pinned in the whole process when the thread's last operation was over. */
  pinnedByKernelMax: number;
}

async function thread(task: Task): Promise<void> {
  const soaker = new Soaker(task.seed, moverOf(task));
  while (soaker.operations < task.operations) {
    for (let i = 0; i < 50 && soaker.operations < task.operations; i++) soaker.step();
    // The event loop turns, so that the monitor can wake the reaper.
    await new Promise(setImmediate);
  }
  // What is cached is pinned now, or "nothing pinned at the end" says nothing.
  const pinnedByKernelMax = statusOf('VmPin');
  parentPort!.postMessage({ ...(await soaker.end()), pinnedByKernelMax });
}

const SAMPLE_MS = 100;
/** For so long the kernel may have pages pinned whose manager has given them back. */
const UNPIN_MS_MAX = 120_000;

/** A value of /proc/self/status in bytes. */
function statusOf(name: string): number {
  const text = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

/** What garbage lies above comes and goes; what is never given back lifts the least as well. */
const least = (values: number[]) => Math.min(...values);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      monitor: { type: 'string', default: 'auto' },
      transport: { type: 'string', default: 'uring' },
      operations: { type: 'string', default: '100000' },
      threads: { type: 'string', default: '4' },
      seed: { type: 'string', default: '1' },
    },
  });
  helpers();
  const threads = Number(values.threads);
  const operations = Math.ceil(Number(values.operations) / threads);
  const pinnedBefore = statusOf('VmPin');
  const rss: number[] = [];
  const sampler = setInterval(() => rss.push(statusOf('VmRSS')), SAMPLE_MS);
  const results = await Promise.all(
    Array.from({ length: threads }, (_, i) => {
      const { monitor, transport } = values;
      const task: Task = { monitor, transport, operations, seed: Number(values.seed) + i };
      const worker = new Worker(new URL(import.meta.url), { workerData: task });
      return new Promise<ThreadResult>((resolve, reject) => {
        worker.on('message', resolve);
        worker.on('error', reject);
      });
    }),
  );
  clearInterval(sampler);
  // A ring that is closed gives its pages back in a work queue of the kernel's.
  const until = performance.now() + UNPIN_MS_MAX;
  while (statusOf('VmPin') > pinnedBefore && performance.now() < until) await sleep(SAMPLE_MS);
  const sum = (name: keyof Result) => results.reduce((total, result) => total + result[name], 0);
  // The first quarter is the warming up; then the second is compared with the last.
  const quarter = Math.floor(rss.length / 4);
  const figures = {
    operations: sum('operations'),
    wrong: sum('wrong'),
    hits: sum('hits'),
    misses: sum('misses'),
    invalidations: sum('invalidations'),
    evictions: sum('evictions'),
    renewals: sum('renewals'),
    pinnedMax: sum('pinnedMax'),
    pinnedByKernelMax:
      Math.max(...results.map((result) => result.pinnedByKernelMax)) - pinnedBefore,
    pinned: sum('pinned'),
    pinnedByKernel: statusOf('VmPin') - pinnedBefore,
    rssBefore: least(rss.slice(quarter, 2 * quarter)),
    rssAfter: least(rss.slice(3 * quarter)),
  };
  report(figures, values.monitor !== 'none');
}

/** Bytes that the process may grow between its second quarter and its last. */
const GROWTH_BYTES_MAX = 48 * 2 ** 20;

function report(figures: Record<string, number>, cached: boolean): void {
  // Without a cache an operation's pages are pinned while it is under way, and not between two.
  const pinnedMeanwhile = figures.pinnedMax > 0 && (!cached || figures.pinnedByKernelMax > 0);
  const claims: [string, boolean][] = [
    ['no wrong bytes', figures.wrong === 0],
    ['memory is pinned meanwhile', pinnedMeanwhile],
    ['nothing pinned at the end', figures.pinned === 0 && figures.pinnedByKernel === 0],
    ['the resident memory is flat', figures.rssAfter - figures.rssBefore < GROWTH_BYTES_MAX],
  ];
  console.log(`1..${claims.length}`);
  console.log(`# ${JSON.stringify(figures)}`);
  for (const [i, [name, holds]] of claims.entries()) {
    console.log(`${holds ? 'ok' : 'not ok'} ${i + 1} - ${name}`);
    if (!holds) process.exitCode = 1;
  }
}

await (isMainThread ? main() : thread(workerData as Task));
