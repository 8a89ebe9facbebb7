/** The doctor, the pingpong example and demo:stale where there are an RDMA device and dreg. */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { guestTests } from '../harness/bridge.ts';

const VITEST = join(packageRoot(), 'test/guest/harness/vitest-tap.mjs');
const TESTS = join(packageRoot(), 'dist/programs/guest/launch/rdma.guest.js');

await guestTests('RDMA as a user sees it', {
  kernels: ['6.1'],
  programs: () =>
    ['doctor', 'pingpong', 'demo'].map((list) => ({
      name: list,
      command: [process.execPath, VITEST, '--name', `^${list} `, TESTS],
      before: '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh lo',
      // Each claim is several starts of Node, which is many times slower in there.
      timeoutSeconds: 150,
    })),
});
