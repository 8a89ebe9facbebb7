/** Devices and queue pairs on both of the guest's kernels, over rxe. */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { guestTests } from '../harness/bridge.ts';
import { buildBarePeer } from './bare.ts';

const VITEST = join(packageRoot(), 'test/guest/harness/vitest-tap.mjs');
const DEVICES = join(packageRoot(), 'dist/programs/guest/rdma/devices.guest.js');

await guestTests('RDMA devices', {
  programs: async () => {
    // Built here: the guest sees this machine's files, but writes none.
    const barePeer = `BARE_PEER=${await buildBarePeer()}`;
    // 'loss' takes the device away.
    return ['device', 'interop', 'loss'].map((list) => ({
      name: list,
      command: ['/usr/bin/env', barePeer, process.execPath, VITEST, '--name', `^${list} `, DEVICES],
      module: false as const,
      before: '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh lo',
      timeoutSeconds: 90,
    }));
  },
});
