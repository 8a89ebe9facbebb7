/**
 * What `npm test` runs in a real kernel, in one boot of 6.1: the module's self-tests, stale registrations
 * over rxe with a cache that nothing watches and with dreg, the transport suite and a job over verbs.
 * All the rest, and 6.12, is in `*.full.test.ts`.
 */
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { helpers } from '../tools/native/helpers.ts';
import { guestTests } from './harness/bridge.ts';
import type { SuiteProgram } from './harness/suite.ts';
import { quickPrograms } from './kernel/programs.ts';

const DIST = join(packageRoot(), 'dist/test');
const VITEST = join(packageRoot(), 'test/guest/harness/vitest-tap.mjs');
const RDMA = '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh lo';

function node(name: string, command: string[], more: Partial<SuiteProgram> = {}): SuiteProgram {
  const words = [process.execPath, ...command];
  return { name, command: words, before: RDMA, timeoutSeconds: 300, ...more };
}

await guestTests('one kernel', {
  kernels: ['6.1'],
  programs: async () => {
    // Built here: the guest sees this machine's files, but writes none.
    helpers();
    const stale = join(DIST, 'guest/memory/tap.js');
    const suite = join(DIST, 'conformance/transports/verbs.guest.js');
    const jobs = join(DIST, 'guest/rdma/jobs.guest.js');
    return [
      ...(await quickPrograms()),
      node('stale registrations, naive', [stale, 'naive', 'verbs'], { module: false }),
      node('stale registrations, dreg', [stale, 'dreg', 'verbs']),
      node('the transport suite', [VITEST, suite]),
      node('a job', [VITEST, '--name', 'every job, 2 ranks, put', jobs]),
    ];
  },
});
