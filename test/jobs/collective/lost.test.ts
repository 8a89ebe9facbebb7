/** A rank that is lost in the middle of a collective operation. */
import { expect, test } from 'vitest';
import { runJob, sortedLines } from '../run.ts';

const PROGRAM = 'jobs/collective/programs/loses';

test.each([
  'barrier',
  'bcast',
  'gather',
  'scatter',
  'allgather',
  'alltoall',
  'reduce',
  'allreduce',
  'reduceScatter',
  'scan',
])('a rank that is killed in %s ends the job, and nothing is left', async (operation) => {
  const job = await runJob(PROGRAM, { ranks: 3, words: [operation] });
  expect({ ...job, stdout: '', stderr: '' }).toEqual({
    status: 137,
    signal: null,
    stdout: '',
    stderr: '',
    orphans: [],
    shared: [],
  });
  expect(job.stdout).toContain('under way');
});

test('where a rank leaves, every other one gets ERR_PEER_FAILED in each operation, and none hangs', async () => {
  const job = await runJob(PROGRAM, { ranks: 4 });
  const said = sortedLines(job.stdout);
  // What had been sent to those that gave up is an error of its own at the end.
  expect({ said, orphans: job.orphans, shared: job.shared, stderr: job.stderr }).toEqual({
    said: ['rank 0 ok', 'rank 2 ok', 'rank 3 ok'],
    orphans: [],
    shared: [],
    stderr: expect.not.stringContaining('Error:'),
  });
});
