/** DREG_DEBUG=requests: a request that is dropped while it is under way is told, with where it was made. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';

const program = join(packageRoot(), 'dist/programs/unit/runtime/mpi/programs/dropped.js');

function run(how: string, debug = 'requests') {
  const env = { ...process.env, DREG_DEBUG: debug };
  return spawnSync(process.execPath, [program, how], { encoding: 'utf8', env });
}

const WHAT = /^dreg-mpi: a request of rank 0, irecv from rank 0, tag 7, /m;

test('dropped: who, what, and where it was made', () => {
  const { stderr } = run('drops');
  expect(stderr).toMatch(WHAT);
  expect(stderr).toMatch(/was dropped: .*\n\s+at forgetful \(.*dropped\.js/);
});

test('kept until the end: the same', () => {
  const { stderr } = run('keeps');
  expect(stderr).toMatch(WHAT);
  expect(stderr).toMatch(/was still under way at MPI\.finalize\(\): .*\n\s+at .*dropped\.js/);
});

test('a collective call: which one, on which communicator', () => {
  const words = [
    join(packageRoot(), 'dist/bundle/dregrun.js'),
    '-n',
    '2',
    program,
    'drops barrier',
  ];
  const env = { ...process.env, DREG_DEBUG: 'requests' };
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env });
  expect(stderr).toMatch(
    /a request of rank 0, barrier\(\) on MPI\.world, was dropped: .*\n.*at forgetsBarrier \(.*dropped\.js/,
  );
  expect(stderr).not.toContain('of rank 1');
  expect(status).toBe(0);
});

test('awaited, waited for, taken: nothing is said', () => {
  expect(run('awaits')).toMatchObject({ status: 0, stderr: '' });
});

test('nobody asked: nothing is said', () => {
  expect(run('drops', '').stderr).not.toMatch(/was dropped|it was made/);
});

test('another value is refused', () => {
  expect(run('awaits', 'all').stderr).toMatch(/ERR_ARG|DREG_DEBUG is "all"/);
});
