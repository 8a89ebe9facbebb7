/** Tests that need what only a guest has: `test/**` files named .guest.ts; see README.md. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The machine's files are read-only in the guest.
  cacheDir: '/tmp/vite',
  test: {
    root: process.cwd(),
    include: ['test/**/*.guest.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
