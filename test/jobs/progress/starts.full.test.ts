/** Jobs whose ranks post their receives early, started over and over: each ends. */
import { test } from 'vitest';
import { runWell } from '../run.ts';

const JOBS = 2000;
const JOBS_A_TEST = 100;

test.each(Array.from({ length: JOBS / JOBS_A_TEST }, (_, i) => i * JOBS_A_TEST))(
  `${JOBS_A_TEST} jobs from number %i on`,
  async (first) => {
    for (let job = first; job < first + JOBS_A_TEST; job++)
      await runWell('jobs/progress/programs/early', {
        ranks: 2,
        words: [String(job)],
        timeoutSeconds: 30,
      });
  },
  JOBS_A_TEST * 5_000,
);
