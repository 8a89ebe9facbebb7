/** Rules R4 and R6 on real memory: what is leased lives; a forked child touches nothing. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { addon, packageRoot } from '../../../../native/addon.ts';
import { MpiError } from '../../../../runtime/base/error.ts';
import { uringWrite } from '../../../../runtime/memory/domains/uring.ts';
import { UserfaultfdMonitor } from '../../../../runtime/memory/monitors/userfaultfd.ts';
import { OWNED, ownerWord } from '../../../../runtime/memory/owner.ts';
import { Channel } from '../../../conformance/domains/channel.ts';
import { collectGarbage } from '../../../conformance/domains/scenarios.ts';
import { helpers } from '../../../tools/native/helpers.ts';

const LENGTH = 64 * 1024;
/** So large that V8 maps it by itself and unmaps it when it is collected. */
const LARGE = 40 * 2 ** 20;

/** Collections after which a buffer that nobody holds is surely gone (the next test sees it go). */
const COLLECTIONS = 5;
const PATIENCE = { timeout: 120_000 };

async function collect(): Promise<void> {
  collectGarbage();
  await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A boolean: no assertion shall print so large a buffer. */
const isAlive = (buffer: WeakRef<WeakKey>) => buffer.deref() !== undefined;

test('R4: a lease that the program has lost holds its buffer', async () => {
  const channel = new Channel(new UserfaultfdMonitor());
  // Leased between two whose leases end: no place among the living leases is lost.
  const buffer = (() => {
    const view = new Uint8Array(LARGE);
    const first = channel.manager.acquire(new Uint8Array(LARGE));
    channel.manager.acquire(view);
    const last = channel.manager.acquire(new Uint8Array(LARGE));
    first.release();
    last.release();
    return new WeakRef(view.buffer);
  })();
  for (let i = 0; i < COLLECTIONS; i++) await collect();
  expect(isAlive(buffer)).toBe(true);
  const { leases, regions, regionsIdle } = channel.manager.stats();
  expect([leases, regions - regionsIdle]).toEqual([1, 1]);
  channel.close();
});

test('R4: without the lease it is collected, and unpinned', async () => {
  const channel = new Channel(new UserfaultfdMonitor());
  const buffer = (() => {
    const view = new Uint8Array(LARGE);
    channel.manager.acquire(view).release();
    return new WeakRef(view.buffer);
  })();
  await expect.poll(async () => [await collect(), isAlive(buffer)][1], PATIENCE).toBe(false);
  await expect.poll(() => channel.manager.stats().bytesPinned, PATIENCE).toBe(0);
  channel.close();
});

function codeOf(body: () => unknown): string {
  try {
    body();
    return 'done';
  } catch (error) {
    return error instanceof MpiError ? error.code : String(error);
  }
}

test('R6: a forked child finds the owner word empty', () => {
  const word = ownerWord();
  expect(word[0]).toBe(OWNED);
  const address = addon().addressOf(word);
  expect(helpers().forkLoad(address)).toBe(0);
  // The child of the test does read its parent's memory: what is not the guard, it finds.
  expect(helpers().forkLoad(addon().addressOf(Int32Array.of(77)))).toBe(77);
});

test('R6: with the owner word empty nothing is leased, posted, or given back', () => {
  const channel = new Channel(new UserfaultfdMonitor());
  const { manager } = channel;
  const view = new Uint8Array(LENGTH).fill(7);
  channel.send(view);
  const lease = manager.acquire(view);
  const second = manager.acquire(view);
  const before = manager.stats();
  ownerWord()[0] = 0;
  try {
    expect(codeOf(() => manager.acquire(view))).toBe('ERR_FORKED');
    expect(codeOf(() => manager.acquire(new Uint8Array(9)))).toBe('ERR_FORKED');
    expect(
      codeOf(() =>
        manager.post(
          uringWrite(-1, () => {}),
          lease,
        ),
      ),
    ).toBe('ERR_FORKED');
    expect(codeOf(() => manager.flush())).toBe('ERR_FORKED');
    second.release();
  } finally {
    ownerWord()[0] = OWNED;
  }
  expect(manager.stats()).toEqual({ ...before, leases: 1 });
  expect(Buffer.compare(channel.send(view.fill(8)), view)).toBe(0);
  lease.release();
  channel.close();
});

describe('threads that end in the middle of their work leave no crash', () => {
  const PROGRAM = join(packageRoot(), 'dist/programs/unit/runtime/memory/programs/terminate.js');
  for (const way of ['idle', 'busy', 'churn'])
    for (const end of ['exit', 'terminate'])
      test(`${way}, by ${end}`, () => {
        helpers();
        const result = spawnSync(process.execPath, [PROGRAM, way, end], { encoding: 'utf8' });
        expect(result).toMatchObject({ stderr: '', signal: null, status: 0 });
      });
});
