/** The monitors on both of the guest's kernels; dreg can be tested nowhere else. */
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { guestTests } from '../guest/bridge.ts';
import { helpers } from './native/helpers.ts';

const PROGRAM = join(packageRoot(), 'dist/test/memory/tap.js');

/** Node is many times slower in there. */
const TIMEOUT_SECONDS = 150;

await guestTests('monitors', {
  programs: async () => {
    // Built here: the guest sees this machine's files, but writes none.
    helpers();
    return ['dreg', 'userfaultfd', 'none', 'naive'].map((monitor) => ({
      name: monitor,
      command: [process.execPath, PROGRAM, monitor],
      timeoutSeconds: TIMEOUT_SECONDS,
      ...(monitor !== 'dreg' && { module: false as const }),
    }));
  },
});
