/** The monitors on both of the guest's kernels; dreg can be tested nowhere else. */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { helpers } from '../../tools/native/helpers.ts';
import { guestTests } from '../harness/bridge.ts';
import type { SuiteProgram } from '../harness/suite.ts';

const VITEST = join(packageRoot(), 'test/guest/harness/vitest-tap.mjs');
const TESTS = join(packageRoot(), 'dist/programs/guest/memory/cache.guest.js');
const SOAK = join(packageRoot(), 'dist/programs/unit/runtime/memory/programs/soak.js');

/** Node is many times slower in there. */
const TIMEOUT_SECONDS = 150;
const SOAK_OPERATIONS = Number(process.env.DREG_SOAK_OPERATIONS ?? 100_000) / 25;

/** Over io_uring; test/guest/memory/verbs.full.test.ts has the one over an RDMA device. */
const soak: SuiteProgram = {
  name: 'soak, dreg',
  command: [
    process.execPath,
    SOAK,
    ...['--monitor', 'dreg', '--threads', '2', '--operations', String(SOAK_OPERATIONS)],
  ],
  timeoutSeconds: TIMEOUT_SECONDS,
};

await guestTests('monitors', {
  programs: async (kernel) => {
    // Built here: the guest sees this machine's files, but writes none.
    helpers();
    // The switch that forbids io_uring came with 6.6.
    const names = ['dreg', 'userfaultfd', 'none', 'naive'].map(
      (monitor) => `${monitor} over io_uring`,
    );
    if (kernel !== '6.1') names.push('machine');
    const suites = names.map((name) => ({
      name,
      command: [process.execPath, VITEST, '--name', `^${name} `, TESTS],
      before: 'ip link set lo up',
      timeoutSeconds: TIMEOUT_SECONDS,
      ...(!name.startsWith('dreg') && { module: false as const }),
    }));
    return [...suites, soak];
  },
});
