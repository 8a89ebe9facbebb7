/** RDMA: the suite of all transports over a real device, on both of the guest's kernels. */
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { guestTests } from '../guest/bridge.ts';

const VITEST = join(packageRoot(), 'test/guest/vitest-tap.mjs');

await guestTests('verbs', {
  programs: () => [
    {
      name: 'the transport suite',
      command: [process.execPath, VITEST, 'test/transports/verbs.guest.ts'],
      module: false,
      before: '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh lo',
      timeoutSeconds: 120,
    },
  ],
});
