#!/usr/bin/env node
/**
 * `npm run test:full`: everything that there is to test, part by part, with a table of times at its end.
 * What `npm test` leaves out (6.12, iWARP, two nodes, soaks) is in files named `*.full.test.ts`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { readCommandLine, someOf } from './command-line.ts';
import { PART_NAMES, PARTS, type PartName, type PartResult, readSummary, table } from './parts.ts';

const SOAK_OPERATIONS = '1000000';

const HELP = `npm run test:full -- [options]

Builds, then runs all tests, part by part, and prints how long each part took. As root on Debian 12;
what guests need (QEMU, kernels) is installed and downloaded at its first use.

  --only PART[,PART...]  these parts alone
  --json                 print the table as JSON on standard output, all else on standard error
  --help

${PART_NAMES.map((name) => `  ${name.padEnd(8)} ${PARTS[name].what}\n`).join('')}`;

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 1));
  });
}

/** @param output where vitest tells how it goes */
async function runPart(part: PartName, output: 1 | 2): Promise<PartResult> {
  const folder = mkdtempSync(join(tmpdir(), 'dreg-full-'));
  const file = join(folder, 'results.json');
  const start = performance.now();
  const vitest = join(packageRoot(), 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const child = spawn(process.execPath, [vitest, 'run', ...PARTS[part].files, ...reporters], {
    cwd: packageRoot(),
    env: {
      ...process.env,
      DREG_TESTS: part === 'fast' ? '' : 'full',
      ...(part === 'soak' && { DREG_SOAK_OPERATIONS: SOAK_OPERATIONS }),
    },
    stdio: ['ignore', output, 'inherit'],
  });
  const status = await ended(child);
  const words = [join(packageRoot(), '.ci/summary.mjs'), file, String(status), '0'];
  const summary = spawnSync(process.execPath, words, { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  const seconds = (performance.now() - start) / 1000;
  return { part, ...readSummary(summary.stdout), seconds };
}

async function main(): Promise<void> {
  const settings = readCommandLine({
    name: 'test:full',
    help: HELP,
    options: { only: { type: 'string' }, json: { type: 'boolean', default: false } },
    read: ({ only, json }) => ({
      parts: only === undefined ? PART_NAMES : someOf(PART_NAMES, only, 'only'),
      json: json === true,
    }),
  });
  if (settings === null) return;
  const { parts, json } = settings;
  const results: PartResult[] = [];
  for (const [index, part] of parts.entries()) {
    const place = `part ${index + 1} of ${parts.length}`;
    process.stderr.write(`test:full: ${place}, ${part}: ${PARTS[part].what}\n`);
    results.push(await runPart(part, json ? 2 : 1));
  }
  process.stdout.write(json ? `${JSON.stringify(results)}\n` : `\n${table(results)}`);
  if (results.some(({ failed }) => failed > 0)) process.exitCode = 1;
}

await main();
