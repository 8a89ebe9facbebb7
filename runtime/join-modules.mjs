// Joins modules that `tsc` wrote into few files: one takes Node a millisecond to load.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

export const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');

/**
 * What a message passes is one file: V8 knows of what a module imports neither that it is a constant nor which
 * function it is, and looks again at each use.
 */
export const RUNTIME = {
  name: 'runtime',
  test: /dist.(runtime.(base|messaging|mpi)|transports.(shm|self|transport))/,
};

/** Loaded on demand, by their names (transports/select.ts). */
export const NETWORKS = {
  'verbs/open': join(dist, 'transports/verbs/open.js'),
  'ofi/open': join(dist, 'transports/ofi/open.js'),
};

/** Writes the files of some entries into a folder of dist/. What two of them use is one module, in a file of its own. */
export async function joinModules({ folder, input, groups = [], chunkFileNames, external }) {
  const build = await rolldown({
    input,
    external,
    platform: 'node',
    onLog(level, log) {
      if (level === 'warn') throw new Error(log.message);
    },
  });
  await build.write({
    dir: join(dist, folder),
    format: 'esm',
    sourcemap: true,
    codeSplitting: { groups },
    chunkFileNames,
  });
  await build.close();
}
