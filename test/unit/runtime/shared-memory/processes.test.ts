/** Memory that processes share, by every way in which one can get it, and however one ends. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { start } from '../../../tools/launcher.ts';

const PROGRAM = join(
  packageRoot(),
  'dist/programs/unit/runtime/shared-memory/programs/scenarios.js',
);
const NAMES = `/dev/shm/dreg-mpi-${process.geteuid?.()}`;

const TWO = ['parent 1', 'child ok 42'];
const THREE = ['parent 2', 'child ok 42', 'child ok 42'];
const EPERM = Array(4).fill('EPERM');

test.each<[words: string, says: string[], status?: number]>([
  ['stdio', TWO],
  ['fork', TWO],
  ['cluster', THREE],
  ['named', [...THREE, 'ERR_ARG']],
  ['killed', ['7 7 0', 'anew 64 0']],
  [
    'stale',
    [
      'no process of this user has shared memory of the name "NAME": make it (SharedMemory.create), and keep it open until it was opened here',
      '64',
      'process PID has shared memory of the name "NAME": open it (SharedMemory.open), or take another name',
    ],
  ],
  ['sizes', [...EPERM, '8292 1']],
  ['worker', ['worker ok', 'terminated']],
  ['exit', ['1024'], 3],
  ['alive', ['ok', 'not-equal']],
  ['alive closed', Array(3).fill('rejected ERR_CLOSED')],
  ['turns', ['wake', 'turn 0', 'wake', 'turn 1', 'wake', 'turn 2']],
])('%s', async (words, says, status = 0) => {
  const run = start(process.execPath, [PROGRAM, ...words.split(' ')]);
  const { stdout, ...ended } = await run.ended;
  expect(ended).toEqual({ status, signal: null, stderr: '' });
  expect(stdout.trim().split('\n')).toEqual(says);
  // No name of this process is left, nor of those that it started.
  const left = existsSync(NAMES) ? readdirSync(NAMES) : [];
  expect(left.filter((name) => name.includes(`-${run.pid}`))).toEqual([]);
});
