/** `npm run demo:stale` as it is started without options: what it shows must be so. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { helpers } from '../../tools/native/helpers.ts';
import { needUserfaultfdAndUring } from '../../tools/needs.ts';
import { SCENARIOS } from './scenarios.ts';

needUserfaultfdAndUring();

const DEMO = join(packageRoot(), 'dist/test/conformance/domains/demo.js');
const ANSWERS = { naive: 'old', userfaultfd: 'new', none: 'new' };

test('the old bytes with naive, the new ones with userfaultfd and none', {
  timeout: 120_000,
}, () => {
  helpers();
  const { status, stdout, stderr } = spawnSync(process.execPath, [DEMO, '--json'], {
    encoding: 'utf8',
  });
  const others = stderr.split('\n').filter((line) => !/^$|^\(dreg: not here/.test(line));
  expect({ status, others }).toEqual({ status: 0, others: [] });
  // Each line is an object.
  const outcomes = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const { name } of SCENARIOS)
    for (const [monitor, outcome] of Object.entries(ANSWERS))
      expect(outcomes).toContainEqual({ scenario: name, monitor, outcome });
  // And with dreg, where it is.
  const further = outcomes.filter(({ monitor }) => !(monitor in ANSWERS));
  expect(further.every(({ monitor, outcome }) => monitor === 'dreg' && outcome === 'new')).toBe(
    true,
  );
});
