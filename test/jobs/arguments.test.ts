/** What a program passes: bad values, values that lie, and null where no message goes. */
import { test } from 'vitest';
import { runWell } from './support.ts';

test.each([1, 2])('every bad argument of every call, with %d ranks', (ranks) =>
  runWell('bad-arguments', { ranks }),
);

test.each([
  [1, 'auto'],
  [2, 'always'],
  [2, 'never'],
])('buffers that lie, with %d ranks, single copy %s', (ranks, singleCopy) =>
  runWell('liars', { ranks, environment: { DREG_SINGLE_COPY: singleCopy } }),
);
