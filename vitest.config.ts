import { configDefaults, defineConfig } from 'vitest/config';
import { GuestBesideTheRest } from './test/tools/sequencer.ts';

// `npm test` runs what takes minutes; `npm run test:full` (test/tools/full.ts) the rest as well.
const full = process.env.DREG_TESTS === 'full';
const exclude = [...configDefaults.exclude, ...(full ? [] : ['test/**/*.full.test.ts'])];

/** What wants both cores at a time: one file after the other, or they wait for each other. */
const HEAVY = [
  'test/jobs/jobs.test.ts',
  'test/jobs/cost/*.test.ts',
  'test/jobs/environment/{allocate,node}.test.ts',
  'test/conformance/mpi/*.test.ts',
  'test/guest/**/*.test.ts',
  'test/bench/p2p.test.ts',
  'test/unit/kernel/*.test.ts',
];

export default defineConfig({
  test: {
    // MPI lives in a process's main thread, and a test may lose its process: one process a file.
    pool: 'forks',
    sequence: { sequencer: GuestBesideTheRest },
    // No test puts guard pages into memory that is watched, but those that say so.
    env: { DREG_UFFD_GUARDS: 'trust' },
    // Limits end what hangs, on a machine that does ten other things as well.
    testTimeout: 300_000,
    hookTimeout: 360_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'many',
          include: ['test/**/*.test.ts'],
          exclude: [...exclude, ...HEAVY],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'one',
          include: HEAVY,
          exclude,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
