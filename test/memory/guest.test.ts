/** The monitors on both of the guest's kernels; dreg can be tested nowhere else. */
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { guestTests } from '../guest/bridge.ts';
import { helpers } from './native/helpers.ts';

const PROGRAM = join(packageRoot(), 'dist/test/memory/tap.js');

/** Node is many times slower in there. */
const TIMEOUT_SECONDS = 150;

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
    return names.map((name) => ({
      name,
      command: [process.execPath, PROGRAM, name],
      before: 'ip link set lo up',
      timeoutSeconds: TIMEOUT_SECONDS,
      ...(name !== 'dreg' && { module: false as const }),
    }));
  },
});
