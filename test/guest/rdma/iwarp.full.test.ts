/**
 * RDMA over iWARP, on the 6.1 kernel and siw: queue pairs, the transport, jobs, the doctor, and
 * registrations that lose their mapping.
 */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { helpers } from '../../tools/native/helpers.ts';
import { guestTests } from '../harness/bridge.ts';
import { readyKernel } from '../harness/ready.ts';
import { buildSiw } from '../harness/siw.ts';
import type { SuiteProgram } from '../harness/suite.ts';

const DREG: Partial<SuiteProgram> = { module: {} };
const DIST = join(packageRoot(), 'dist/programs');
const VITEST = join(packageRoot(), 'test/guest/harness/vitest-tap.mjs');
/** Of those over RDMA. */
const JOBS = '^every job|killed in mid-transfer';

const named = (pattern: string, file: string) => [
  VITEST,
  ...['--name', pattern, `${DIST}/guest/${file}.guest.js`],
];
const TIMEOUT_SECONDS = 400;
const SOAK_OPERATIONS = 2000;
/** What a WRITE brings arrives well after the WRITE has completed: whoever does not wait, sees it. */
const DELAY = 'tc qdisc replace dev lo root netem limit 100000 delay 1ms';

await guestTests('iWARP', {
  kernels: ['6.1'],
  programs: async (kernel) => {
    // Built here: the guest sees this machine's files, but writes none.
    helpers();
    const say = (line: string) => void process.stderr.write(`iWARP: ${line}\n`);
    const module = await buildSiw(await readyKernel(kernel), say);
    const before = `[ -e /sys/class/infiniband/siw0 ] || sh test/guest/siw.sh ${module} dummy0`;
    const program = (
      name: string,
      command: string[],
      more: Partial<SuiteProgram> = {},
    ): SuiteProgram => ({
      name,
      command: [process.execPath, ...command],
      before,
      module: false,
      timeoutSeconds: TIMEOUT_SECONDS,
      ...more,
    });
    const stale = (monitor: string, more: Partial<SuiteProgram> = {}) =>
      program(
        `stale registrations, ${monitor}`,
        named(`^${monitor} over verbs`, 'memory/cache'),
        more,
      );
    return [
      program('queue pairs', named('^iwarp', 'rdma/devices'), { needs: ['sch_netem'] }),
      program(
        'the transport suite',
        [VITEST, `${DIST}/conformance/transports/verbs.guest.js`],
        DREG,
      ),
      program('jobs', named(JOBS, 'rdma/jobs'), DREG),
      program('the doctor', named('^iwarp', 'launch/rdma'), DREG),
      stale('naive'),
      stale('dreg', DREG),
      program(
        'soak, dreg',
        [
          `${DIST}/unit/runtime/memory/programs/soak.js`,
          ...['--transport', 'verbs', '--monitor', 'dreg'],
          ...['--threads', '2', '--operations', String(SOAK_OPERATIONS)],
        ],
        { ...DREG, needs: ['sch_netem'], before: `${before}; ${DELAY}` },
      ),
    ];
  },
});
