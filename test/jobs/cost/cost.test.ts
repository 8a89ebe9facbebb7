/** What ranks may cost: processor time, objects. */
import { test } from 'vitest';
import { runWell } from '../run.ts';

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
