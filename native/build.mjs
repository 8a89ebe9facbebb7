#!/usr/bin/env node
// Builds the addon with node-gyp: whole on the first run, by make's rules (nothing when nothing
// changed) after it. Headers come from this Node's own installation when it has them, so that a
// machine without a way out builds as well.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

// The folder with the binding.gyp: this one, or that of a test's addon.
const here = resolve(process.argv[2] ?? dirname(fileURLToPath(import.meta.url)));
const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const prefix = dirname(dirname(process.execPath));
const headers = existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
// A change of Node, of binding.gyp or of the headers there are asks for a new configuration.
const stamp = join(here, 'build', '.configured');
const optional = ['infiniband/verbs.h', 'rdma/rdma_cma.h'].filter((header) =>
  existsSync(join('/usr/include', header)),
);
const key = `${process.version} ${optional} ${readFileSync(join(here, 'binding.gyp'), 'utf8')}`;
const configured = existsSync(stamp) && readFileSync(stamp, 'utf8') === key;

const run = (...words) =>
  spawnSync(process.execPath, [gyp, ...words, ...headers, '--loglevel=error'], {
    cwd: here,
    encoding: 'utf8',
  });

const result = configured ? run('build') : run('rebuild');
if (result.status !== 0) {
  process.stderr.write(`${result.stdout}${result.stderr}`);
  process.stderr.write(
    'dreg-mpi: the addon did not build; it needs g++, make and python3 (Debian: apt-get install g++ make python3).\n',
  );
  process.exit(result.status ?? 1);
}
if (/warning:/.test(result.stderr)) process.stderr.write(result.stderr);
writeFileSync(stamp, key);
