import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from './command.ts';
import { CHECKOUT } from './paths.ts';

/** Built by `npm test` before vitest starts. */
const CLI = join(CHECKOUT, 'dist/test/guest/harness/cli.js');

const cli = (...args: string[]) => run(process.execPath, [CLI, ...args], { mayFail: true });

test('--help', async () => {
  const { status, stdout } = await cli('--help');
  expect(status).toBe(0);
  for (const option of ['--kernel', '--nodes', '--module', '--json', '--timeout']) {
    expect(stdout).toContain(option);
  }
});

test.each([
  [['--kernel', '5.10', 'script'], '--kernel is one of 6.1, 6.12, newest, debug'],
  [['--nodes', '3', 'script'], '--nodes is 1 or 2'],
  [['--timeout', 'soon', 'script'], '--timeout wants a positive number'],
  [['--colour', 'script'], "Unknown option '--colour'"],
  [[], 'either SCRIPT or --command'],
])('bad usage %j: exit status 2, and says why', async (args, message) => {
  const { status, output } = await cli(...args);
  expect(output).toContain(message);
  expect(status).toBe(2);
});

test('a script that is not there is said so, without a boot', async () => {
  const { status, output } = await cli('/no/such/script');
  expect(output).toContain('/no/such/script');
  expect(status).toBe(1);
});
