/** A request that failed, and was never looked at, is not passed over. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';

const program = join(packageRoot(), 'dist/programs/unit/runtime/mpi/programs/unseen.js');
const run = (how: string) => spawnSync(process.execPath, [program, how], { encoding: 'utf8' });

test('looked at: nothing is said', () => {
  expect(run('looks')).toMatchObject({ status: 0, stderr: '' });
});

test.each([
  ['finalizes', 'finalize: MpiError: a message of 2 bytes'],
  ['drops', 'not handled: MpiError: a message of 2 bytes'],
  ['ends', 'dreg-mpi: a message of 2 bytes'],
])('a program that %s', (how, where) => {
  const { status, stderr } = run(how);
  expect(status).toBe(1);
  expect(stderr).toContain('is larger than the receive buffer of 1 bytes');
  expect(stderr).toContain(where);
});
