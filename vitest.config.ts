import { defineConfig } from 'vitest/config';

/** Guests that take long: `npm run test:rdma` runs these, `npm test` does not (docs/testing.md). */
const LONG = [
  'test/jobs/verbs-guest.test.ts',
  'test/nodes/nodes.test.ts',
  'test/rdma/iwarp.test.ts',
];
const all = process.env.DREG_TEST_LONG === '1';

export default defineConfig({
  test: {
    include: all ? LONG : ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', ...(all ? [] : LONG)],
    // MPI lives in a process's main thread, and a test may lose its process: one process a file.
    pool: 'forks',
    // Two cores: jobs of several ranks must not compete with another file's jobs.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
