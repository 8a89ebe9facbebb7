/** A rank that is lost in the middle of a collective operation. */
import { expect, test } from 'vitest';
import { LOSES, testOfDeath } from '../lost.ts';
import { runJob, sortedLines } from '../run.ts';

test.each([0, 50])('a rank that is killed in every operation at once, after %i looks', (looks) =>
  testOfDeath([String(looks)]),
);

test('where a rank leaves, every other one gets ERR_PEER_FAILED that names it in each operation, in either habit, and none hangs', async () => {
  const job = await runJob(LOSES, { ranks: 4 });
  const said = sortedLines(job.stdout);
  // What had been sent to those that gave up is an error of its own at the end.
  expect({ said, orphans: job.orphans, shared: job.shared, stderr: job.stderr }).toEqual({
    said: ['rank 0 ok', 'rank 2 ok', 'rank 3 ok'],
    orphans: [],
    shared: [],
    stderr: expect.not.stringContaining('Error:'),
  });
});
