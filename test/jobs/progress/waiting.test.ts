/** How ranks wait: asleep, woken in time, and leaving the event loop to others. */
import { describe, test } from 'vitest';
import { runWell } from '../run.ts';

describe('every bell is heard', () => {
  test.each([
    [2, 'block,block'],
    [2, 'loop,loop'],
    [2, 'block,loop'],
    [5, 'loop,block'],
  ])('%i ranks, %s', (ranks, how) =>
    runWell('progress/wakeups', { ranks, words: [how], environment: { DREG_SPIN_POLLS: '0' } }),
  );
});

test('other events get their turn while ranks await messages', () =>
  runWell('progress/fair', { ranks: 2 }));

test('only what is awaited keeps a process alive', () =>
  runWell('progress/programs/unawaited', { ranks: 2 }));

test('nor does what only the rank itself could send', () =>
  runWell('progress/programs/only-itself', { ranks: 2 }));

test('large messages go on while their rank waits for a socket', () =>
  runWell('progress/elsewhere', { ranks: 2 }));

test.each(['', '0'])('messages go on under fake timers (DREG_SPIN_POLLS=%s)', (polls) =>
  runWell('progress/fake-timers', { ranks: 2, environment: { DREG_SPIN_POLLS: polls } }),
);

test('a job that has finished ends, whatever came first', async () => {
  for (let job = 0; job < 8; job++)
    await runWell('progress/programs/early', { ranks: 2, words: [String(job)] });
});
