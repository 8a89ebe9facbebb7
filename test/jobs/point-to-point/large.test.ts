/** Lengths that do not fit into 31 bits. One job at a time: each holds 4 GiB. */
import { test } from 'vitest';
import { runWell } from '../run.ts';

test.each([
  ['own', 'sync', 'never'],
  ['own', 'await', 'always'],
  ['shared', 'sync', 'auto'],
])('2 GiB + 1 from %s memory, %s, single copy %s', (memory, how, singleCopy) =>
  runWell('point-to-point/large', {
    ranks: 2,
    words: [memory, how],
    environment: { DREG_SINGLE_COPY: singleCopy },
  }),
);
