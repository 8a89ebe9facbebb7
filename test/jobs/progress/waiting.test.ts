/** What keeps a process alive, and what does not. */
import { test } from 'vitest';
import { runWell } from '../run.ts';

test('only what is awaited keeps a process alive', () =>
  runWell('jobs/progress/programs/unawaited', { ranks: 2 }));

test('nor does what only the rank itself could send', () =>
  runWell('jobs/progress/programs/only-itself', { ranks: 2 }));

test('a job that has finished ends, whatever came first', async () => {
  for (let job = 0; job < 3; job++)
    await runWell('jobs/progress/programs/early', { ranks: 2, words: [String(job)] });
});
