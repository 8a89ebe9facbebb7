/** Devices and queue pairs on both of the guest's kernels, over rxe. */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { guestTests } from '../harness/bridge.ts';
import { buildBarePeer } from './bare.ts';

const PROGRAM = join(packageRoot(), 'dist/test/guest/rdma/tap.js');

await guestTests('RDMA devices', {
  programs: async () => {
    // Built here: the guest sees this machine's files, but writes none.
    const barePeer = await buildBarePeer();
    // 'loss' takes the device away.
    return ['device', 'interop', 'loss'].map((list) => ({
      name: list,
      command: [process.execPath, PROGRAM, list, barePeer],
      module: false as const,
      before: '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh lo',
      timeoutSeconds: 90,
    }));
  },
});
