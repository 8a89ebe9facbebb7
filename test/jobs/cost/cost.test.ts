/** What ranks may cost: processor time, memory, objects. */
import { expect, test } from 'vitest';
import { program, runCommand, runJob, runWell, sortedLines } from '../run.ts';

const RANK_BYTES_MAX = 25 * 2 ** 20;

// Seconds of nothing: both at once.
test('a rank that waits sleeps, blocked or in the event loop, on too few cores too', async () => {
  await Promise.all([
    runWell('jobs/cost/programs/idle', { ranks: 2 }),
    runWell('jobs/cost/programs/idle', { ranks: 2, under: ['taskset', '-c', '0'] }),
  ]);
});

test('small messages on the blocking path allocate nothing', () =>
  runWell('jobs/cost/programs/frugal', {
    ranks: 2,
    nodeOptions: ['--expose-gc', '--max-semi-space-size=256'],
  }));

test('what a message costs that waits stays within what docs/operating/limits.md says', () =>
  runWell('jobs/cost/programs/kept', { ranks: 2 }));

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
