/** What memory a rank may cost. Later Nodes compile more, and need more for it (docs/operating/packages.md). */
import { expect, test } from 'vitest';
import { program, runCommand, runJob, sortedLines } from '../run.ts';

const RANK_BYTES_MAX = 25 * 2 ** 20;

test('a rank needs at most 25 MB beside Node', async () => {
  const bare = await runCommand([
    process.execPath,
    '--expose-gc',
    program('jobs/cost/programs/footprint'),
  ]);
  expect(bare.stderr).toBe('');
  const job = await runJob('jobs/cost/programs/footprint', {
    ranks: 2,
    words: ['rank'],
    nodeOptions: ['--expose-gc'],
  });
  expect({ status: job.status, stderr: job.stderr }).toEqual({ status: 0, stderr: '' });
  const ranks = sortedLines(job.stdout).map(Number);
  expect(ranks).toHaveLength(2);
  for (const bytes of ranks) expect(bytes - Number(bare.stdout)).toBeLessThan(RANK_BYTES_MAX);
});
