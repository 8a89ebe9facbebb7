#!/usr/bin/env node
// Builds the addon with node-gyp: whole on the first run, by make's rules (nothing when nothing
// changed) after it. Headers come from this Node's own installation when it has them, so that a
// machine without a way out builds as well. With --portable the addon runs on older systems, too: the
// packages of platforms have that one (test/tools/packages/).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const words = process.argv.slice(2);
const portable = words[0] === '--portable';
// The folder with the binding.gyp: this one, or that of a test's addon.
const here = resolve(words[portable ? 1 : 0] ?? dirname(fileURLToPath(import.meta.url)));
const prefix = dirname(dirname(process.execPath));
const ownHeaders = existsSync(join(prefix, 'include/node/node_api.h'));
// Make and the shell take other characters for their own. Paths below the package are relative in
// the makefile; that of Node is not.
const plain = /^[\w/.,+-]+$/.test(prefix);
// A change of Node, of binding.gyp or of the headers there are asks for a new configuration.
const stamp = join(here, 'build', '.configured');
const optional = ['infiniband/verbs.h', 'rdma/rdma_cma.h', 'rdma/fabric.h'].filter((header) =>
  existsSync(join('/usr/include', header)),
);
const key = `${process.version} ${prefix} ${optional} ${portable} ${readFileSync(join(here, 'binding.gyp'), 'utf8')}`;
const configured = plain && existsSync(stamp) && readFileSync(stamp, 'utf8') === key;

/** Calls `use` with a path of Node's installation that make can read. */
function withPrefix(use) {
  if (plain || !ownHeaders) return use(prefix);
  const folder = mkdtempSync(join(tmpdir(), 'dreg-mpi-build-'));
  try {
    symlinkSync(prefix, join(folder, 'node'));
    return use(join(folder, 'node'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A copy of node-gyp: this package's, the user's, or the one that npm has for itself. */
function findGyp() {
  const near = [
    import.meta.url,
    join(process.cwd(), 'package.json'),
    process.env.npm_execpath,
    join(prefix, 'lib/node_modules/npm/package.json'),
    join(prefix, 'share/nodejs/package.json'),
  ];
  for (const file of near.filter(Boolean))
    try {
      return createRequire(file).resolve('node-gyp/bin/node-gyp.js');
    } catch {}
  process.stderr.write(
    `dreg-mpi: the addon did not build in ${here}: node-gyp is not found; npm install --no-save node-gyp, and try again\n`,
  );
  process.exit(1);
}

const gyp = findGyp();
const run = (command) =>
  withPrefix((nodedir) => {
    const headers = ownHeaders ? [`--nodedir=${nodedir}`] : [];
    const args = [command, ...headers, '--loglevel=error'];
    // The makefile keeps it.
    if (command === 'rebuild') args.push('--', `-Dportable=${Number(portable)}`);
    return spawnSync(process.execPath, [gyp, ...args], {
      cwd: here,
      encoding: 'utf8',
      maxBuffer: Infinity,
    });
  });

/** What a build needs and this machine has not. */
function missingTools() {
  const { CXX = 'g++', MAKE = 'make', npm_config_python, PYTHON } = process.env;
  const python = npm_config_python ?? PYTHON;
  const tries = {
    // A compiler's name may have arguments behind it (ccache g++).
    [CXX]: `${CXX} --version`,
    [MAKE]: `"${MAKE}" --version`,
    [python ?? 'python3']: python
      ? `"${python}" --version`
      : 'python3 --version || python --version',
  };
  const notFound = ([, command]) =>
    spawnSync(command, { shell: true, stdio: 'ignore' }).status === 127;
  return Object.entries(tries)
    .filter(notFound)
    .map(([tool]) => tool);
}

/** The sentence for whoever reads the last line only. */
function reasonOf({ error, signal }) {
  if (error) return `node-gyp cannot be started: ${error.message}`;
  if (signal) return `node-gyp was ended by ${signal}`;
  const missing = missingTools();
  if (missing.length === 0)
    return 'what failed is said above, at the first line with "error", "ERR!" or "***"';
  return `not found: ${missing.join(', ')} (Debian: apt-get install g++ make python3)`;
}

const result = run(configured ? 'build' : 'rebuild');
if (result.status !== 0) {
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  process.stderr.write(`dreg-mpi: the addon did not build in ${here}: ${reasonOf(result)}\n`);
  process.exit(result.status || 1);
}
if (/warning:/.test(result.stderr)) process.stderr.write(result.stderr);
writeFileSync(stamp, key);
