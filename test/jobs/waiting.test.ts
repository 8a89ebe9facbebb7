/** How ranks wait: asleep, woken in time, and leaving the event loop to others. */
import { describe, test } from 'vitest';
import { runWell } from './support.ts';

describe('every bell is heard', () => {
  test.each([
    [2, 'block,block'],
    [2, 'loop,loop'],
    [2, 'block,loop'],
    [5, 'loop,block'],
  ])('%i ranks, %s', (ranks, how) =>
    runWell('wakeups', { ranks, words: [how], environment: { DREG_SPIN_POLLS: '0' } }),
  );
});

test('other events get their turn while ranks await messages', () => runWell('fair', { ranks: 2 }));

test('only what is awaited keeps a process alive', () => runWell('unawaited', { ranks: 2 }));
