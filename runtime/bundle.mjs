#!/usr/bin/env node
// Joins what `tsc` wrote into the files that the package exports and runs: one module takes Node a
// millisecond to load, and a rank would load sixty, its launcher twenty.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');

/**
 * What a message passes is one file: V8 knows of what a module imports neither that it is a constant nor which
 * function it is, and looks again at each use.
 */
const MESSAGES = /dist.(runtime.(base|messaging|mpi)|transports.(shm|self|transport))/;

/** Writes the files of some entries. What two of them use is one module, in a file of its own. */
async function bundle(input, groups = []) {
  const build = await rolldown({
    input,
    platform: 'node',
    onLog(level, log) {
      if (level === 'warn') throw new Error(log.message);
    },
  });
  await build.write({
    dir: join(dist, 'bundle'),
    format: 'esm',
    sourcemap: true,
    codeSplitting: { groups },
  });
  await build.close();
}

await rm(join(dist, 'bundle'), { recursive: true, force: true });
await bundle(
  {
    index: join(dist, 'runtime/index.js'),
    memory: join(dist, 'runtime/memory/index.js'),
    worker: join(dist, 'runtime/worker.js'),
    // Loaded on demand, by its name (transports/select.ts).
    'verbs/open': join(dist, 'transports/verbs/open.js'),
    'ofi/open': join(dist, 'transports/ofi/open.js'),
    // Started by the doctor (runtime/launch/doctor/trial-job.ts).
    trial: join(dist, 'runtime/launch/doctor/trial.js'),
  },
  [{ name: 'runtime', test: MESSAGES }],
);
// A process of its own, which shares no module with a rank.
await bundle({ dregrun: join(dist, 'runtime/launch/dregrun.js') });

// A shell runs the second line, which is nothing to Node: only before Node starts can it be seen that
// nohup had SIGHUP ignored, which is the lowest bit.
const LOOK = 'case "$k$v" in SigIgn:*[13579bdf]) export DREG_NOHUP=1;; esac';
const HEAD = `#!/bin/sh
':' //; while read -r k v; do ${LOOK}; done 2>/dev/null </proc/$$/status; exec node "$0" "$@"
`;
const file = join(dist, 'bundle/dregrun.js');
await writeFile(file, HEAD + (await readFile(file, 'utf8')));
const map = JSON.parse(await readFile(`${file}.map`, 'utf8'));
// In a map a semicolon is a line.
await writeFile(`${file}.map`, JSON.stringify({ ...map, mappings: `;;${map.mappings}` }));
