/** Objects that are larger than usual; they take some 12 GB of memory. */
import { test } from 'vitest';
import { runWell } from '../run.ts';

test(
  'a million fields, strings of 512 MiB, an array of 2.5 GiB',
  () =>
    runWell('jobs/objects/programs/huge', { ranks: 2, nodeOptions: ['--max-old-space-size=8192'] }),
  600_000,
);
