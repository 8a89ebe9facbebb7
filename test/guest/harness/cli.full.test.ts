/** `npm run guest` with a guest. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { guestsCanRun } from './bridge.ts';
import { run } from './command.ts';
import { CHECKOUT } from './paths.ts';

const CLI = join(CHECKOUT, 'dist/test/guest/harness/cli.js');

if (guestsCanRun('npm run guest'))
  test(
    'output, status, problems and files as JSON; files kept; options after the script are its own',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'dreg-cli-'));
      try {
        const script = ['/bin/sh', '-c', 'echo "$1"; echo kept >$GUEST_OUT/file; exit 3', 'sh'];
        const options = ['--json', '--out', folder, '--env', 'A=b=c', '--module', 'dummy'];
        const { status, stdout } = await run(
          process.execPath,
          [CLI, ...options, ...script, '--json'],
          { mayFail: true },
        );
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
