#!/usr/bin/env node
// Joins what `tsc` wrote into the files that the package exports and runs: a rank would load sixty modules, its
// launcher twenty.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dist, joinModules, NETWORKS, RUNTIME } from './join-modules.mjs';

await rm(join(dist, 'bundle'), { recursive: true, force: true });
await joinModules({
  folder: 'bundle',
  input: {
    index: join(dist, 'runtime/index.js'),
    memory: join(dist, 'runtime/memory/index.js'),
    worker: join(dist, 'runtime/worker.js'),
    ...NETWORKS,
    // Started by the doctor (runtime/launch/doctor/trial-job.ts).
    trial: join(dist, 'runtime/launch/doctor/trial.js'),
  },
  groups: [RUNTIME],
});
// For processes that are no ranks: nothing of MPI, though what it needs is then there twice.
await joinModules({ folder: 'bundle', input: { shared: join(dist, 'runtime/shared.js') } });
// A process of its own, which shares no module with a rank.
await joinModules({
  folder: 'bundle',
  input: { dregrun: join(dist, 'runtime/launch/dregrun.js') },
});

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
