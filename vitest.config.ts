import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // MPI lives in a process's main thread, and a test may lose its process: one process a file.
    pool: 'forks',
    // Two cores: jobs of several ranks must not compete with another file's jobs.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
