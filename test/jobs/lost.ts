/** Tests of ranks that are killed in the middle of collective operations. */
import { expect } from 'vitest';
import { runJob } from './run.ts';

export const LOSES = 'jobs/collective/programs/loses';

/** The launcher says who it was and ends the job, and nothing is left. */
export async function testOfDeath(words: readonly string[]): Promise<void> {
  const job = await runJob(LOSES, { ranks: 3, words });
  expect(job).toMatchObject({ status: 137, signal: null, orphans: [], shared: [] });
  expect(job.stdout).toContain('under way');
  expect(job.stderr).toMatch(/^dregrun: rank 1 .*SIGKILL/m);
}
