/** The monitors on both of the guest's kernels; dreg can be tested nowhere else. */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { helpers } from '../../tools/native/helpers.ts';
import { guestTests } from '../harness/bridge.ts';
import type { SuiteProgram } from '../harness/suite.ts';

const PROGRAM = join(packageRoot(), 'dist/test/guest/memory/tap.js');
const SOAK = join(packageRoot(), 'dist/test/unit/runtime/memory/programs/soak.js');

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
    const names = [
      'dreg',
      'userfaultfd',
      'none',
      'naive',
      ...(kernel === '6.1' ? [] : ['machine']),
    ];
    const suites = names.map((name) => ({
      name,
      command: [process.execPath, PROGRAM, name],
      before: 'ip link set lo up',
      timeoutSeconds: TIMEOUT_SECONDS,
      ...(name !== 'dreg' && { module: false as const }),
    }));
    return [...suites, soak];
  },
});
