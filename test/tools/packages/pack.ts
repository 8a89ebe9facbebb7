#!/usr/bin/env node
/** `npm run pack:all`: the tarballs of all packages, in one folder. */
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { readCommandLine } from '../command-line.ts';
import { buildAddon, missingHeaders, packMain, packPlatform } from './packing.ts';
import { isOwn, PLATFORMS } from './platforms.ts';

const HELP = `npm run pack:all -- [options]

Builds everything, other platforms' addons by cross-compilers, and writes the tarballs of all packages
into one folder. Publish the platforms' packages before dreg-mpi itself.

  --own      this machine's platform alone: no cross-compiler is needed
  --to DIR   the folder, which is emptied first (default dist/packages)
  --help
`;

function main(): void {
  const settings = readCommandLine({
    name: 'pack:all',
    help: HELP,
    options: { own: { type: 'boolean', default: false }, to: { type: 'string' } },
    read: ({ own, to }) => ({
      platforms: own ? PLATFORMS.filter(isOwn) : PLATFORMS,
      to: resolve(to ?? join(packageRoot(), 'dist/packages')),
    }),
  });
  if (settings === null) return;
  const missing = missingHeaders();
  if (missing.length > 0)
    throw new Error(
      `${missing.join(' and ')} are not there: the addon would have no RDMA (Debian: apt-get install libibverbs-dev librdmacm-dev)`,
    );
  const { platforms, to } = settings;
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const platform of platforms) buildAddon(platform);
  for (const platform of platforms) console.log(packPlatform(platform, to));
  console.log(packMain(to));
}

try {
  main();
} catch (error) {
  console.error(`pack:all: ${(error as Error).message}`);
  process.exitCode = 1;
}
