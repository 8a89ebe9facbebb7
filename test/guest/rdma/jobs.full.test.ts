/** RDMA with the module: the transport's suite and jobs, in one boot of each of the guest's kernels, over rxe. */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { helpers } from '../../tools/native/helpers.ts';
import { guestTests } from '../harness/bridge.ts';
import type { SuiteProgram } from '../harness/suite.ts';

const built = (name: string) => join(packageRoot(), 'dist/programs', name);
const VITEST = join(packageRoot(), 'test/guest/harness/vitest-tap.mjs');
const before = '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh lo';

function program(name: string, command: string[], more: Partial<SuiteProgram> = {}): SuiteProgram {
  return { name, command: [process.execPath, ...command], before, timeoutSeconds: 300, ...more };
}

await guestTests('RDMA', {
  programs: () => {
    // Built here: the guest sees this machine's files, but writes none.
    helpers();
    // user_delta does not move: the look before each operation finds nothing, and it must show.
    const held = { variables: { DREG_TEST: '1' }, parameters: 'test_hold_delta=1' };
    const remapped = (which: string) => [
      VITEST,
      ...['--name', which, built('guest/rdma/remapped.guest.js')],
    ];
    return [
      program('the transport suite', [VITEST, built('conformance/transports/verbs.guest.js')]),
      program('a rank loses memory', remapped('seen')),
      program('a rank loses memory, user_delta held back', remapped('seen'), {
        module: held,
        mustFail: /new bytes: put, the sender's memory/,
      }),
      program('the same, every way', remapped('missed'), { module: held }),
      // The last one: it takes the device away.
      program('jobs', [VITEST, built('guest/rdma/jobs.guest.js')], { timeoutSeconds: 900 }),
    ];
  },
});
