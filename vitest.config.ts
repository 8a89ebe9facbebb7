import { configDefaults, defineConfig } from 'vitest/config';
import { GuestBesideTheRest } from './test/tools/sequencer.ts';

// `npm test` runs what takes minutes; `npm run test:full` (test/tools/full.ts) the rest as well.
const chosen = process.env.DREG_TESTS;
const FULL = 'test/**/*.full.test.ts';
/**
 * With another Node (test/unit/package/node.full.test.ts): guests and benchmarks take most of the time, and little of
 * what they run depends on Node. What V8 inlines, and how much memory it takes, is that of the Node that we develop with.
 */
const OF_OUR_NODE = [
  'test/guest/**',
  'test/bench/**',
  'test/unit/kernel/**',
  'test/unit/package/inlining.test.ts',
  'test/jobs/cost/footprint.test.ts',
];
const exclude = [
  ...configDefaults.exclude,
  ...(chosen === 'full' ? [] : [FULL]),
  ...(chosen === 'node' ? OF_OUR_NODE : []),
];

/** What wants both cores at a time: one file after the other, or they wait for each other. */
const HEAVY = [
  'test/jobs/jobs{,.full}.test.ts',
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
