/** More than 10,000 rounds at random that come to an end, none of which is told of a deadlock; 6,000 that cannot, each is. */
import { test } from 'vitest';
import { expectCases, listJobs, runLaunch } from '../run.ts';

/** Rounds of each case, by the number that `npm test` does. */
const SCALE = 60;

test('rounds at random, with 2, 3 and 5 ranks at a time', async () => {
  const jobs = listJobs().filter(({ name }) => name === 'progress/deadlock');
  const environment = { DREG_DEADLOCK_MS: '5', DREG_TEST_SCALE: String(SCALE) };
  const starts = [2, 3, 5].map(async (ranks) => {
    const launch = { ranks, jobs, settings: environment, nodeOptions: [] };
    expectCases(await runLaunch(launch, { timeoutSeconds: 3000 }), launch);
  });
  await Promise.all(starts);
}, 3_600_000);
