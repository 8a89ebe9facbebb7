/** Memory that is freed without any traffic: how soon it is unpinned, and what waiting costs. */
import { UringDomain } from '../../../runtime/memory/domains/uring.ts';
import { PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import { type MonitorName, openMonitor } from '../../../runtime/memory/monitors/open.ts';
import { bytesAt, helpers, map, ok, SYS } from '../../tools/native/helpers.ts';
import { median } from './timing.ts';

const BYTES = 4 * 2 ** 20;
const TRIALS = 40;
const REGIONS = 200;
const IDLE_MS = 3000;

const sleep = (milliseconds: number) => new Promise((wake) => setTimeout(wake, milliseconds));

function open(name: MonitorName) {
  const domain = new UringDomain({ entries: 4 });
  return new PinnedMemoryManager({ monitor: openMonitor(name), domain });
}

/** Milliseconds from the return of munmap, in another thread, until nothing is pinned. */
export async function unpinning(name: MonitorName): Promise<{ middle: number; worst: number }> {
  const manager = open(name);
  const samples: number[] = [];
  for (let i = 0; i < TRIALS; i++) {
    const address = map(BYTES);
    manager.acquire(bytesAt(address, BYTES).fill(1)).release();
    if (manager.stats().bytesPinned !== BYTES) throw new Error('nothing is pinned');
    await sleep(5);
    const task = helpers().threadCall(SYS.munmap, address, BYTES);
    const started = performance.now();
    while (manager.stats().bytesPinned > 0) await sleep(1);
    samples.push(performance.now() - started);
    ok(helpers().threadJoin(task));
  }
  manager.close();
  return { middle: median(samples), worst: Math.max(...samples) };
}

/** Microseconds of processor that an idle second costs. */
async function idleSecond(): Promise<number> {
  const before = process.cpuUsage();
  await sleep(IDLE_MS);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (IDLE_MS / 1000);
}

/** The same with and without a manager that has cached registrations, in turn. */
export async function idling(name: MonitorName): Promise<{ without: number; with: number }> {
  const without: number[] = [];
  const withManager: number[] = [];
  for (let i = 0; i < 3; i++) {
    without.push(await idleSecond());
    const manager = open(name);
    const views = Array.from({ length: REGIONS }, () => new Uint8Array(2 ** 18));
    for (const view of views) manager.acquire(view).release();
    await sleep(100);
    withManager.push(await idleSecond());
    manager.close();
  }
  return { without: median(without), with: median(withManager) };
}
