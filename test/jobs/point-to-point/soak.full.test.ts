/** A million messages among five ranks, and a million requests at once: all arrive, and nothing stays in use. */
import { test } from 'vitest';
import { runWell } from '../run.ts';

const MILLION = '1000000';
const MINUTES = 30;

test.each([
  ['soak', 5],
  ['outstanding', 2],
])(
  '%s, with %i ranks',
  (name, ranks) =>
    runWell(`jobs/point-to-point/programs/${name}`, {
      ranks,
      words: [MILLION],
      nodeOptions: ['--expose-gc', '--max-old-space-size=8192'],
      timeoutSeconds: MINUTES * 60,
    }),
  MINUTES * 60_000,
);
