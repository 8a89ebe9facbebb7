/** A hundred thousand communicators made and freed. */
import { test } from 'vitest';
import { expectCases, listJobs, runLaunch } from '../run.ts';

test('100000 communicators made and freed by 4 ranks, and nothing grows', async () => {
  const jobs = listJobs().filter(({ name }) => name === 'communicators/numbers');
  const launch = { ranks: 4, jobs, settings: {}, nodeOptions: ['--expose-gc'] };
  const environment = { DREG_TEST_COMMUNICATORS: '100000' };
  expectCases(await runLaunch(launch, { environment, timeoutSeconds: 900 }), launch);
}, 1_000_000);
