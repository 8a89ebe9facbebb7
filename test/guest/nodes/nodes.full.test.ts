/** Jobs over two machines: two guests on 6.1, joined by a network, RDMA (rxe) between them. */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { helpers } from '../../tools/native/helpers.ts';
import { guestTests } from '../harness/bridge.ts';
import type { SuiteProgram } from '../harness/suite.ts';

const PROGRAM = join(packageRoot(), 'dist/test/guest/nodes/jobs.js');
const RDMA = '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh eth0';
/** Node is many times slower in there, and rxe is a program as well. */
const TIMEOUT_SECONDS = 300;

const jobs = (list: string, more: Partial<SuiteProgram> = {}): SuiteProgram => ({
  name: list,
  command: [process.execPath, PROGRAM, list],
  before: RDMA,
  timeoutSeconds: TIMEOUT_SECONDS,
  ...more,
});

/** The same over a network that loses packets: rxe sends them again, and answers come late. */
const lossy = (list: string): SuiteProgram => ({
  ...jobs(list, { needs: ['sch_netem'] }),
  command: ['/bin/sh', '-c', LOSSY, 'sh', process.execPath, PROGRAM, list],
});
const LOSSY = `
  tc qdisc add dev eth0 root netem limit 100000 loss 0.5% || exit 1
  "$@"; status=$?
  tc -s qdisc show dev eth0 | grep -q 'dropped [1-9]' || { echo '# no packet was lost'; status=1; }
  tc qdisc del dev eth0 root
  exit $status`;

await guestTests('two nodes', {
  kernels: ['6.1'],
  nodes: 2,
  memoryMiB: 2048,
  // By the last program.
  dies: 1,
  programs: () => {
    // Built here: the guest sees this machine's files, but writes none.
    helpers();
    // user_delta does not move: the look before each operation finds nothing, and it must show.
    const held = { variables: { DREG_TEST: '1' }, parameters: 'test_hold_delta=1' };
    return [
      jobs('random'),
      jobs('examples'),
      jobs('naive', { module: false }),
      jobs('dreg'),
      jobs('soak'),
      lossy('lossy'),
      jobs('held', { module: held, mustFail: /new bytes: get: memory of both replaced/ }),
      jobs('mute', { needs: ['sch_netem'] }),
      jobs('unplug'),
      jobs('reset'),
    ];
  },
});
