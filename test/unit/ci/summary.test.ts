import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { temporaryFolder } from '../../tools/launcher.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** What the summary says of vitest's results, which has no file that failed unless told. */
function summary(results: object | string, status = '0', others = '0') {
  const file = join(folder.path, 'results.json');
  writeFileSync(file, typeof results === 'string' ? results : JSON.stringify(results));
  const words = [join(packageRoot(), '.ci/summary.mjs'), file, status, others];
  const { stdout, status: exit } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  return { exit, line: stdout };
}

const counts = (passed: number, failed: number, skipped: number, testResults: object[] = []) => ({
  numPassedTests: passed,
  numFailedTests: failed,
  numPendingTests: skipped,
  numTodoTests: 0,
  testResults,
});
const fileOf = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((test) => ({ status: test })),
});

it.each([
  ['all passed', counts(12, 0, 0), '0', '0', '12 passed, 0 failed\n', 0],
  ['some were skipped', counts(12, 0, 3), '0', '0', '12 passed, 0 failed, 3 skipped\n', 0],
  [
    'a test failed',
    counts(11, 1, 0, [fileOf('failed', 'passed', 'failed')]),
    '1',
    '0',
    '11 passed, 1 failed\n',
    1,
  ],
  [
    'a file could not be loaded',
    counts(11, 0, 0, [fileOf('failed'), fileOf('passed', 'passed')]),
    '1',
    '0',
    '11 passed, 1 failed\n',
    1,
  ],
  ['an error was nobody’s', counts(11, 0, 0), '1', '0', '11 passed, 1 failed\n', 1],
  ['another check failed', counts(11, 0, 0), '0', '2', '11 passed, 2 failed\n', 1],
  ['vitest was not run', '', 'not-run', '1', '0 passed, 2 failed\n', 1],
  ['there were no tests', counts(0, 0, 0), '0', '0', '0 passed, 0 failed\n', 1],
])('says that %s', (_what, results, status, others, line, exit) => {
  expect(summary(results, status, others)).toEqual({ line, exit });
});
