import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { needUserfaultfdAndUring } from '../../tools/needs.ts';

needUserfaultfdAndUring();

const EXAMPLE = join(packageRoot(), 'dist/examples/zero-copy-send.js');

function run(...words: string[]) {
  const result = spawnSync(process.execPath, [EXAMPLE, ...words], { encoding: 'utf8' });
  return { ...result, lines: result.stdout.trim().split('\n') };
}

test('examples/zero-copy-send: what arrives is what was sent, from cached registrations', () => {
  const { status, stderr, lines } = run('--bytes', '1000000', '--count', '40');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(lines[0]).toBe('40 buffers of 1000000 bytes sent');
  expect(lines.at(-1)).toBe('what arrived is what was sent');
  // The buffer that is kept is registered once and sent 20 times.
  const [, found] = /found in the cache: (\d+) of 40/.exec(lines[2])!;
  expect(Number(found)).toBeGreaterThanOrEqual(19);
});

test('examples/zero-copy-send: without a cache each send registers', () => {
  const { status, lines } = run('--bytes', '100000', '--count', '10', '--monitor', 'none');
  expect(status).toBe(0);
  expect(lines[1]).toBe('monitor none: 10 registrations');
  expect(lines[2]).toBe('found in the cache: 0 of 10');
});

test('examples/zero-copy-send: a monitor that there is not is said', () => {
  const { status, stderr } = run('--monitor', 'bogus');
  expect(status).toBe(1);
  expect(stderr).toMatch(/^ERR_ARG: there is no monitor "bogus"/);
});
