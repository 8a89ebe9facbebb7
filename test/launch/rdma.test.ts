/** The doctor, the pingpong example and demo:stale where there are an RDMA device and dreg. */
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { guestTests } from '../guest/bridge.ts';

await guestTests('RDMA as a user sees it', {
  kernels: ['6.1'],
  programs: () => [
    {
      name: 'doctor, pingpong, demo:stale',
      command: [process.execPath, join(packageRoot(), 'dist/test/launch/rdma-tap.js')],
      before: 'sh test/guest/rdma.sh lo',
      // Each command is several starts of Node, which is many times slower in there.
      timeoutSeconds: 270,
    },
  ],
});
