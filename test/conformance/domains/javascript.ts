/** JavaScript's own ways to lose memory. Each case throws where the manager does wrong. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { addon, packageRoot } from '../../../native/addon.ts';
import { MpiError } from '../../../runtime/base/error.ts';
import { ACCESS, type Operation } from '../../../runtime/memory/domain.ts';
import type { Mover } from './mover.ts';
import { collectGarbage } from './scenarios.ts';

export interface Way {
  name: string;
  run(channel: Mover): void | Promise<void>;
}

/** As far as it is used here; TypeScript declares it with the browser's library only. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
const { WebAssembly: Wasm } = globalThis as unknown as {
  WebAssembly: { Memory: new (limits: { initial: number; maximum: number }) => WasmMemory };
};

const LENGTH = 64 * 1024;
const LARGE = 40 * 2 ** 20;

/** For so long memory that is freed may stay pinned before the test gives up. */
const PATIENCE_MS = 120_000;

const WORKER = join(packageRoot(), 'dist/programs/unit/runtime/memory/programs/worker.js');

function assertSent(channel: Mover, view: Uint8Array, what: string): void {
  assert.equal(Buffer.compare(channel.send(view), view), 0, `wrong bytes: ${what}`);
}

const bufferError = (error: unknown) => error instanceof MpiError && error.code === 'ERR_BUFFER';

/** A lease from before the buffer went away, and the buffer itself, are errors, not crashes. */
function assertGone(channel: Mover, view: Uint8Array, change: () => void): void {
  const lease = channel.manager.acquire(view, ACCESS.localRead);
  change();
  const operation: Operation = { direction: 'out', done: () => {} };
  assert.throws(() => channel.manager.post(operation, lease), bufferError, 'the lease is used');
  lease.release();
}

/**
 * Waits in the event loop, where the monitor wakes the reaper (R5), until no more is pinned than
 * `reserve`: some domains need bounce buffers from the start.
 */
async function unpinned(channel: Mover, reserve: number): Promise<void> {
  if (!channel.caches) return;
  const until = performance.now() + PATIENCE_MS;
  while (channel.manager.stats().bytesPinned > reserve) {
    assert.ok(performance.now() < until, 'memory that was freed stays pinned');
    await sleep(1);
  }
}

function transfer(channel: Mover): void {
  const view = new Uint8Array(LENGTH).fill(1);
  assertSent(channel, view, 'before the transfer');
  const address = addon().addressOf(view);
  let next = new Uint8Array(0);
  assertGone(channel, view, () => {
    next = new Uint8Array(structuredClone(view.buffer, { transfer: [view.buffer] }));
  });
  assert.throws(() => channel.manager.acquire(view), bufferError, 'a detached buffer is leased');
  assert.equal(addon().addressOf(next), address);
  assertSent(channel, next.fill(2), 'after the transfer');
}

function resize(channel: Mover): void {
  const buffer = new ArrayBuffer(LENGTH, { maxByteLength: 4 * LENGTH });
  const view = new Uint8Array(buffer).fill(1);
  assertSent(channel, view, 'before resize');
  assertGone(channel, view, () => buffer.resize(LENGTH / 2));
  assertSent(channel, view, 'shrunk');
  buffer.resize(0);
  buffer.resize(4 * LENGTH);
  assert.equal(view.length, 4 * LENGTH);
  assertSent(channel, view.subarray(0, LENGTH), 'grown');
  assertSent(channel, view.fill(3).subarray(LENGTH, 2 * LENGTH), 'grown and filled');
}

function wasm(channel: Mover): void {
  const memory = new Wasm.Memory({ initial: 1, maximum: 64 });
  const before = new Uint8Array(memory.buffer).fill(1);
  assertSent(channel, before, 'before grow');
  assertGone(channel, before, () => memory.grow(1));
  const after = new Uint8Array(memory.buffer);
  assert.equal(after.length, 2 * 65536);
  assertSent(channel, after.subarray(0, LENGTH), 'after grow');
  assertSent(channel, after.fill(2).subarray(LENGTH), 'the part that is new');
}

async function shared(channel: Mover): Promise<void> {
  const view = new Uint8Array(new SharedArrayBuffer(LENGTH)).fill(1);
  assertSent(channel, view, 'shared memory');
  const worker = new Worker(WORKER, { workerData: { fill: view, value: 2 } });
  await once(worker, 'exit');
  assert.ok(view.every((byte) => byte === 2));
  assertSent(channel, view, 'written by a worker');
}

/** A large buffer that a worker made and gave away, and then one that it kept. */
async function workerEnds(channel: Mover): Promise<void> {
  const reserve = channel.manager.stats().bytesPinned;
  const worker = new Worker(WORKER, { workerData: { give: LARGE } });
  const [given] = (await once(worker, 'message')) as [Uint8Array];
  assertSent(channel, given.subarray(0, LENGTH).fill(1), 'of a living worker');
  worker.postMessage('end');
  await once(worker, 'exit');
  assertSent(channel, given.subarray(0, LENGTH).fill(2), 'of a worker that has ended');
  const back = new Worker(WORKER, {
    workerData: { take: given },
    transferList: [given.buffer as ArrayBuffer],
  });
  await once(back, 'exit');
  // The worker had the only reference: its end has freed the memory.
  await unpinned(channel, reserve);
}

async function collected(channel: Mover): Promise<void> {
  const reserve = channel.manager.stats().bytesPinned;
  (() => {
    const large = new Uint8Array(LARGE);
    assertSent(channel, large.subarray(0, LENGTH).fill(1), 'a large buffer');
  })();
  await sleep(1);
  collectGarbage();
  await unpinned(channel, reserve);
}

/** A child process is made by fork and exec; what is under way meanwhile must arrive. */
function spawned(channel: Mover): void {
  const view = new Uint8Array(LENGTH);
  for (const value of [1, 2, 3]) {
    channel.receive(view.fill(0), new Uint8Array(LENGTH).fill(value), () => {
      assert.equal(spawnSync(process.execPath, ['--version']).status, 0);
      // Written between fork and completion: the page must not have become the child's.
      view.fill(0xff);
    });
    assert.ok(view.every((byte) => byte === value));
    assertSent(channel, view, 'received while a child was made');
  }
}

/** Two managers, each with a monitor and a domain of its own, and the same buffer. */
function twoManagers(channel: Mover): void {
  const other = channel.sibling();
  try {
    const view = new Uint8Array(LENGTH);
    for (let value = 1; value < 10; value++) {
      assertSent(channel, view.fill(value), 'of the first manager');
      assertSent(other, view.fill(value + 100), 'of the second manager');
    }
    const large = new Uint8Array(LARGE).subarray(0, LENGTH);
    assertSent(other, large.fill(7), 'seen by the second manager first');
    assertSent(channel, large.fill(8), 'seen by the first manager then');
  } finally {
    other.close();
  }
}

/** The name of a thread of this process; none if it ended since it was listed. */
function nameOfThread(task: string): string {
  try {
    return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
  } catch (error) {
    // ENOENT from the opening, ESRCH from the reading.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

const threadsNamed = (name: string) =>
  readdirSync('/proc/self/task').filter((task) => nameOfThread(task) === name).length;

/** Workers with managers of their own leave no descriptor and no thread, however they end. */
async function workersManager(channel: Mover): Promise<void> {
  const count = () => [readdirSync('/proc/self/fd').length, threadsNamed('dreg-uffd')];
  const round = async (how: string) => {
    const worker = new Worker(WORKER, { workerData: { manager: channel.monitorName, how } });
    const ended = once(worker, 'exit');
    if (how === 'terminate') {
      await once(worker, 'message');
      await worker.terminate();
    } else assert.deepEqual(await ended, [0], `a worker that ${how}s fails`);
  };
  // The first worker of a process leaves things of Node's own.
  await round('close');
  const before = count();
  for (const how of ['close', 'leave', 'exit', 'terminate']) {
    await round(how);
    assert.deepEqual(count(), before, `descriptors and threads after a worker that ${how}s`);
  }
}

/** Whatever registers the memory. */
export const MOVER_WAYS: Way[] = [
  { name: 'an ArrayBuffer that is collected is unpinned without further traffic', run: collected },
  { name: 'structuredClone with transfer', run: transfer },
  { name: 'a resizable ArrayBuffer, shrunk and grown', run: resize },
  { name: 'WebAssembly.Memory.grow', run: wasm },
  { name: 'a child process made while an operation is under way', run: spawned },
  { name: 'two managers lease the same buffer', run: twoManagers },
  { name: 'a SharedArrayBuffer', run: shared },
  { name: "memory of a worker that ends, before and after the buffer's end", run: workerEnds },
];

/** And with a worker that has a manager for io_uring. */
export const WAYS: Way[] = [
  ...MOVER_WAYS,
  { name: "a worker's own manager, when the worker ends", run: workersManager },
];
