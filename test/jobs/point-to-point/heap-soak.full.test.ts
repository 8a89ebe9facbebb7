/** A million random allocations, sends, drops and collections in shared heaps; with little memory for objects, with workers, and with a rank killed. */
import { expect, test } from 'vitest';
import { expectAllWell, runJob } from '../run.ts';

const MILLION = '1000000';
const RANKS = 4;
const MINUTES = 30;
const SMALL = '--max-old-space-size=64';

test.each<[what: string, words: string[], nodeOptions: string[]]>([
  ['as it is', [], []],
  ['with 64 MiB for objects', [], [SMALL]],
  ['with workers', ['workers'], []],
  ['with a rank killed', ['killed'], []],
])(
  '%s',
  async (_, words, nodeOptions) => {
    const job = await runJob('jobs/point-to-point/programs/heap-soak', {
      ranks: RANKS,
      words: [MILLION, ...words],
      nodeOptions: ['--expose-gc', ...nodeOptions],
      environment: { DREG_SHARED_HEAP: '1' },
      timeoutSeconds: MINUTES * 60,
    });
    if (words[0] !== 'killed') expectAllWell(job, RANKS);
    else expect(job).toMatchObject({ status: 137, stdout: '', orphans: [], shared: [] });
  },
  MINUTES * 60_000,
);
