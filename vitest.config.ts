import { configDefaults, defineConfig } from 'vitest/config';
import { GuestBesideTheRest } from './test/tools/sequencer.ts';

// `npm test` runs what takes minutes; `npm run test:full` (test/tools/full.ts) the rest as well.
const full = process.env.DREG_TESTS === 'full';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...(full ? [] : ['test/**/*.full.test.ts'])],
    // MPI lives in a process's main thread, and a test may lose its process: one process a file.
    pool: 'forks',
    // Two cores: jobs of several ranks must not compete with another file's jobs.
    fileParallelism: false,
    sequence: { sequencer: GuestBesideTheRest },
    // No test puts guard pages into memory that is watched, but those that say so.
    env: { DREG_UFFD_GUARDS: 'trust' },
    testTimeout: 60_000,
    // A start of jobs is in a hook: all of them, one after the other.
    hookTimeout: 180_000,
  },
});
