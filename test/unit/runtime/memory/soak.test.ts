/** The soak on this machine; the guest has dreg's (guest.full.test.ts). DREG_SOAK_OPERATIONS: how many. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { helpers } from '../../../tools/native/helpers.ts';

const PROGRAM = join(packageRoot(), 'dist/programs/unit/runtime/memory/programs/soak.js');
const OPERATIONS = Number(process.env.DREG_SOAK_OPERATIONS ?? 100_000);
const SEED = Number(process.env.DREG_TEST_SEED ?? 1);

function soak(monitor: string, operations: number): Record<string, number> {
  helpers();
  const words = ['--monitor', monitor, '--operations', `${operations}`, '--seed', `${SEED}`];
  const result = spawnSync(process.execPath, [PROGRAM, ...words], { encoding: 'utf8' });
  const figures = /^# (\{.*)$/m.exec(result.stdout)?.[1];
  if (figures === undefined) throw new Error(`${result.stdout}${result.stderr}`);
  return JSON.parse(figures);
}

/** Bytes that the process may grow by between its second quarter and its last, where these are long enough to tell. */
const GROWTH_BYTES_MAX = 48 * 2 ** 20;

test('userfaultfd: no wrong byte, nothing left pinned, and in a long one flat', {
  timeout: 600_000,
}, () => {
  const figures = soak('userfaultfd', OPERATIONS);
  expect(figures).toMatchObject({ operations: OPERATIONS, wrong: 0, pinned: 0, pinnedByKernel: 0 });
  expect(Math.min(figures.pinnedMax, figures.pinnedByKernelMax)).toBeGreaterThan(2 ** 20);
  if (OPERATIONS >= 1_000_000)
    expect(figures.rssAfter - figures.rssBefore).toBeLessThan(GROWTH_BYTES_MAX);
  expect(Math.min(figures.hits, figures.invalidations, figures.evictions)).toBeGreaterThan(1000);
});

test('none: the same without a cache', { timeout: 300_000 }, () => {
  const figures = soak('none', 8000);
  expect(figures).toMatchObject({ wrong: 0, hits: 0, pinned: 0, pinnedByKernel: 0 });
  expect(figures.pinnedMax).toBeGreaterThan(0);
});

test('naive: the same finds wrong bytes', { timeout: 300_000 }, () => {
  expect(soak('naive', 8000).wrong).toBeGreaterThan(0);
});
