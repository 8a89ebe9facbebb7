/** Messages between two ranks: order, sizes, errors, floods, the collector. */
import { describe, test } from 'vitest';
import { runWell } from '../run.ts';

const TWO = { ranks: 2 };

describe('messages never overtake each other, whatever their sizes', () => {
  test.each([
    ['sync', 'sync', 'auto'],
    ['start', 'start', 'auto'],
    ['await', 'await', 'auto'],
    ['mixed', 'mixed', 'always'],
    ['mixed', 'start', 'never'],
    ['start', 'mixed', 'auto'],
  ])('sent by %s, received by %s, single copy %s', async (sending, receiving, singleCopy) => {
    const environment = { DREG_SINGLE_COPY: singleCopy };
    const seed = String(sending.length * 100 + receiving.length);
    await runWell('point-to-point/order', {
      ...TWO,
      environment,
      words: [sending, receiving, seed],
    });
  });
});

test.each(['auto', 'always', 'never'])(
  'lengths next to every threshold, single copy %s',
  (singleCopy) =>
    runWell('point-to-point/thresholds', { ...TWO, environment: { DREG_SINGLE_COPY: singleCopy } }),
);

test.each(['auto', 'always', 'never'])(
  'a message larger than its buffer, single copy %s',
  (singleCopy) =>
    runWell('point-to-point/truncation', { ...TWO, environment: { DREG_SINGLE_COPY: singleCopy } }),
);

test('buffers that are taken away in mid-transfer', () =>
  runWell('point-to-point/detach', { ...TWO, environment: { DREG_SINGLE_COPY: 'never' } }));

test.each(['auto', 'always', 'never'])(
  'buffers that move to another owner in mid-transfer, single copy %s',
  (singleCopy) =>
    runWell('point-to-point/moved', { ...TWO, environment: { DREG_SINGLE_COPY: singleCopy } }),
);

test.each(['always', 'never'])('the collector in mid-transfer, single copy %s', (singleCopy) =>
  runWell('point-to-point/garbage', {
    ...TWO,
    nodeOptions: ['--expose-gc'],
    environment: { DREG_SINGLE_COPY: singleCopy },
  }),
);

test('a flood waits at its sender', () => runWell('point-to-point/flood', TWO));

test.each(['sync', 'await'])('both ranks send 131071 messages first, %s', (how) =>
  runWell('point-to-point/send-first', { ...TWO, words: [how] }),
);

test('a message and a barrier behind 150000 messages that nobody receives', () =>
  runWell('point-to-point/behind', TWO));

test.each(['0', '8'])('100000 messages of %s bytes that nobody asked for', (length) =>
  runWell('point-to-point/unexpected', { ...TWO, words: [length] }),
);
