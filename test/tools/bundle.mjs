#!/usr/bin/env node
// Joins what `tsc` wrote of the programs that tests start, into dist/programs: some of a thousand processes
// that the tests start would load three hundred modules each, many of them in an emulated machine.
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { dist, joinModules, NETWORKS, RUNTIME } from '../../runtime/join-modules.mjs';

/** Jobs and what they load; programs; what runs in a guest. */
const PROGRAM = /^(jobs\/.*|.*\/programs\/.*|.*\.guest)\.js$/;
const TESTS = /\.test\.js$/;
const PROGRAMS = 'programs';
/** What the programs use of the package lies where errors do not take it for a place in the program. */
const LIBRARY = 'runtime/joined';
const ofLibrary = (id) => /dist.(runtime|transports|native)./.test(id);

const names = readdirSync(join(dist, 'test'), { recursive: true }).filter(
  (name) => PROGRAM.test(name) && !TESTS.test(name),
);
const programs = names.map((name) => [
  `${PROGRAMS}/${name.slice(0, -'.js'.length)}`,
  join(dist, 'test', name),
]);
const networks = Object.entries(NETWORKS).map(([name, file]) => [`${LIBRARY}/${name}`, file]);

for (const folder of [PROGRAMS, LIBRARY])
  await rm(join(dist, folder), { recursive: true, force: true });
await joinModules({
  folder: '.',
  input: Object.fromEntries([...networks, ...programs]),
  groups: [
    RUNTIME,
    { name: 'verbs', test: /dist.(transports|native).verbs/ },
    { name: 'ofi', test: /dist.(transports|native).ofi/ },
    { name: 'library', test: ofLibrary },
  ],
  chunkFileNames: ({ moduleIds }) => `${moduleIds.some(ofLibrary) ? LIBRARY : PROGRAMS}/[name].js`,
  // Packages are loaded as they are: vitest gives the guest's tests something else by that name.
  external: /^[^./]/,
});
