/** Calls to /dev/dreg that a signal interrupts go on where they stopped. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { RANGE_WORDS } from '../../../native/dreg.ts';

const ADDON = join(packageRoot(), 'native/build/Release/dreg_mpi.node');
const SOURCE = join(packageRoot(), 'test/unit/native/interrupts.c');
const BUSY = 99;

let folder: string;
let preload: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dreg-interrupted-'));
  preload = join(folder, 'interrupts.so');
  execFileSync('gcc', ['-Wall', '-Werror', '-shared', '-fPIC', '-o', preload, SOURCE]);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the addon answers, and how often each range was dealt with. */
function call(name: 'dregMonitor' | 'dregUnmonitor', slots: number[]) {
  const words = `
    const addon = require(${JSON.stringify(ADDON)});
    const slots = ${JSON.stringify(slots)};
    const ranges = new Uint32Array(slots.length * ${RANGE_WORDS});
    slots.forEach((slot, i) => ranges[i * ${RANGE_WORDS} + 4] = slot);
    const answer = addon.${name}(0, ranges, slots.length);
    const times = slots.map((_, i) => ranges[i * ${RANGE_WORDS} + 5]);
    process.stdout.write(JSON.stringify({ answer, times }));`;
  const env = { ...process.env, LD_PRELOAD: preload };
  return JSON.parse(execFileSync(process.execPath, ['-e', words], { env, encoding: 'utf8' }));
}

test.each(['dregMonitor', 'dregUnmonitor'] as const)('%s: each range once', (name) => {
  expect(call(name, [1, 2, 3, 4, 5, 6])).toEqual({ answer: 6, times: [1, 1, 1, 1, 1, 1] });
});

test('an error behind an interrupted call says how many were done, or which it was', () => {
  expect(call('dregMonitor', [1, 2, 3, BUSY, 5])).toEqual({ answer: 3, times: [1, 1, 1, 0, 0] });
  expect(call('dregMonitor', [BUSY])).toEqual({ answer: -constants.errno.EBUSY, times: [0] });
});
