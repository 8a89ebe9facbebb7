#!/usr/bin/env node
/**
 * `node quick.js FILE`: what `npm test` runs in a real kernel, in one boot of 6.1: the module's self-tests,
 * stale registrations over rxe with a cache that nothing watches and with dreg, the transport suite and jobs
 * over verbs. All the rest, and 6.12, is in `*.full.test.ts`. It ends with its standard input.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { packageRoot } from '../../native/addon.ts';
import { helpers } from '../tools/native/helpers.ts';
import { runGuests } from './harness/boots.ts';
import type { SuiteProgram } from './harness/suite.ts';
import { quickPrograms } from './kernel/programs.ts';

const DIST = join(packageRoot(), 'dist/programs');
const VITEST = join(packageRoot(), 'test/guest/harness/vitest-tap.mjs');
const RDMA = '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh lo';

function node(name: string, command: string[], more: Partial<SuiteProgram> = {}): SuiteProgram {
  const words = [process.execPath, ...command];
  return { name, command: words, before: RDMA, timeoutSeconds: 1800, ...more };
}

async function programs(): Promise<SuiteProgram[]> {
  // Built here: the guest sees this machine's files, but writes none.
  helpers();
  const cache = join(DIST, 'guest/memory/cache.guest.js');
  const stale = (monitor: string) => [VITEST, '--name', `^${monitor} over verbs`, cache];
  const suite = join(DIST, 'conformance/transports/verbs.guest.js');
  const jobs = join(DIST, 'guest/rdma/jobs.guest.js');
  return [
    ...(await quickPrograms()),
    node('stale registrations, naive', stale('naive'), { module: false }),
    node('stale registrations, dreg', stale('dreg')),
    node('the transport suite', [VITEST, suite]),
    node('jobs', [VITEST, '--name', 'some jobs, 2 ranks, put', jobs]),
  ];
}

process.stdin.resume().on('end', () => process.exit(1));
const [file] = process.argv.slice(2);
const results = await runGuests('one kernel', { kernels: ['6.1'], programs });
writeFileSync(`${file}.new`, serialize(results));
renameSync(`${file}.new`, file);
process.exit(0);
