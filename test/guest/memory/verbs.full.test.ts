/**
 * Registrations of an RDMA device that lose their mapping, at the initiator of READ and WRITE and at
 * the side that exports memory: on both of the guest's kernels, over rxe.
 */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { helpers } from '../../tools/native/helpers.ts';
import { guestTests } from '../harness/bridge.ts';
import type { SuiteProgram } from '../harness/suite.ts';

const VITEST = join(packageRoot(), 'test/guest/harness/vitest-tap.mjs');
const TESTS = join(packageRoot(), 'dist/programs/guest/memory/cache.guest.js');
const SOAK = join(packageRoot(), 'dist/programs/unit/runtime/memory/programs/soak.js');
const RDMA = '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh lo';

/** Node is many times slower in there, and rxe is a program as well. */
const TIMEOUT_SECONDS = 200;
const SOAK_OPERATIONS = Number(process.env.DREG_SOAK_OPERATIONS ?? 100_000) / 25;

/** @param cases those whose names begin so */
function program(
  monitor: string,
  more: Partial<SuiteProgram> = {},
  cases = `${monitor} over verbs`,
): SuiteProgram {
  return {
    name: `verbs, ${monitor}`,
    command: [process.execPath, VITEST, '--name', `^${cases}`, TESTS],
    before: RDMA,
    timeoutSeconds: TIMEOUT_SECONDS,
    ...more,
  };
}

const soak = (monitor: string, more: Partial<SuiteProgram> = {}): SuiteProgram => ({
  name: `soak over verbs, ${monitor}`,
  command: [
    process.execPath,
    SOAK,
    ...['--transport', 'verbs', '--monitor', monitor],
    ...['--threads', '2', '--operations', String(SOAK_OPERATIONS)],
  ],
  before: RDMA,
  timeoutSeconds: TIMEOUT_SECONDS,
  ...more,
});

await guestTests('memory over verbs', {
  programs: () => {
    // Built here: the guest sees this machine's files, but writes none.
    helpers();
    // user_delta does not move: the look before each operation finds nothing, and it must show.
    const held = { variables: { DREG_TEST: '1' }, parameters: 'test_hold_delta=1' };
    return [
      program('naive', { module: false }),
      program('none', { module: false }),
      program('userfaultfd', { module: false }),
      program('dreg'),
      // No others: those that wait for user_delta would wait for ever.
      program(
        'dreg',
        {
          name: 'verbs, dreg with user_delta held back',
          module: held,
          mustFail: /new bytes: send: unmapped, mapped again at the same address/,
        },
        'dreg over verbs.*initiator: new bytes: send: unmapped, mapped',
      ),
      soak('dreg'),
      soak('naive', { module: false, mustFail: /no wrong bytes/ }),
    ];
  },
});
