import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { guestsCanRun } from './bridge.ts';
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
  [['--kernel', '5.10', 'script'], '--kernel is one of 6.1, 6.12, debug'],
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

if (guestsCanRun('npm run guest')) {
  describe('npm run guest', () => {
    test(
      'output, status, problems and files as JSON; files kept; options after the script are its own',
      async () => {
        const folder = mkdtempSync(join(tmpdir(), 'dreg-cli-'));
        try {
          const script = ['/bin/sh', '-c', 'echo "$1"; echo kept >$GUEST_OUT/file; exit 3', 'sh'];
          const options = ['--json', '--out', folder, '--env', 'A=b=c', '--module', 'dummy'];
          const { status, stdout } = await cli(...options, ...script, '--json');
          expect(status).toBe(1);
          const result = JSON.parse(stdout);
          expect(result).toMatchObject({ ok: false, problems: ['exit status 3'] });
          expect(result.nodes).toHaveLength(1);
          expect(result.nodes[0]).toMatchObject({
            status: 3,
            output: '--json\n',
            files: { file: 'kept\n' },
          });
          expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('kept\n');
        } finally {
          rmSync(folder, { recursive: true });
        }
      },
      process.env.DREG_MACHINE_LOCK ? 900_000 : 120_000,
    );
  });
}
