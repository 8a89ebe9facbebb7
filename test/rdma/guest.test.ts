/** Devices and queue pairs on both of the guest's kernels, over rxe. */
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { guestTests } from '../guest/bridge.ts';

const PROGRAM = join(packageRoot(), 'dist/test/rdma/tap.js');

await guestTests('RDMA devices', {
  programs: () =>
    ['device', 'loss'].map((list) => ({
      name: list,
      command: [process.execPath, PROGRAM, list],
      module: false as const,
      before: '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh lo',
      timeoutSeconds: 90,
    })),
});
