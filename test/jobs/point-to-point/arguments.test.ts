/** What a program passes: bad values, values that lie, and null where no message goes. */
import { test } from 'vitest';
import { runWell } from '../run.ts';

test.each([1, 2])('every bad argument of every call, with %d ranks', (ranks) =>
  runWell('point-to-point/bad-arguments', { ranks }),
);

test.each([
  [1, 'auto'],
  [2, 'always'],
  [2, 'never'],
])('buffers that lie, with %d ranks, single copy %s', (ranks, singleCopy) =>
  runWell('point-to-point/liars', { ranks, environment: { DREG_SINGLE_COPY: singleCopy } }),
);
