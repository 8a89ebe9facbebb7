/** The parts of `npm run test:full`, and which files each of them runs, as vitest filters names. */
export const PARTS = {
  fast: { what: 'what npm test runs', files: [] },
  launchers: {
    what: 'ranks under srun, in a Slurm cluster of this machine',
    files: ['launchers/slurm.full'],
  },
  soak: {
    what: 'the soak of the cache on this machine, ten times as long; its model with three slots; wrong values for the addon',
    files: ['memory/soak.test', 'memory/model/', 'native/wrong-values'],
  },
  starts: {
    what: 'whether 2,000 jobs end, and 100,000 communicators leave nothing',
    files: ['progress/starts.full', 'communicators/numbers.full'],
  },
  deadlock: {
    what: '10,000 rounds at random that end, and 6,000 that cannot',
    files: ['progress/deadlock.full'],
  },
  messages: {
    what: 'every job with 1 to 8 ranks and each setting; messages and collectives at random as other MPI libraries deliver them; ranks killed in mid-message; huge objects, soaks',
    files: [
      'conformance/mpi/',
      'jobs/jobs.full',
      'environment/faults.full',
      'collective/lost.full',
      'collective/nodes.full',
      'objects/huge.full',
      'point-to-point/soak.full',
      'point-to-point/heap-soak.full',
    ],
  },
  memory: {
    what: 'the cache and its monitors on both kernels',
    files: ['test/guest/memory/'],
  },
  kernel: {
    what: 'dreg.ko on 6.1, 6.12 and the newest kernel, and broken on purpose',
    files: ['test/guest/kernel/'],
  },
  rdma: {
    what: 'devices, transport, jobs and doctor over rxe, on both kernels',
    files: ['guest/rdma/devices.full', 'guest/rdma/jobs.full', 'guest/launch/'],
  },
  packages: {
    what: 'the packages by npm, pnpm and yarn, in programs of each kind; the addon as a user builds it',
    files: ['package/install.full'],
  },
  arm64: {
    what: 'the addon for ARM64 under qemu-user: jobs of two ranks, units',
    files: ['package/arm64.full'],
  },
  node: {
    what: 'what npm test runs without a guest, with the oldest and the newest Node of each line',
    files: ['package/node.full'],
  },
  network: {
    what: 'every job over libfabric, on the loopback interface; two hosts between which something fails',
    files: ['jobs/ofi.full', 'test/network/'],
  },
  iwarp: { what: 'the same over siw, on 6.1', files: ['guest/rdma/iwarp.full'] },
  nodes: { what: 'two guests joined by a network', files: ['test/guest/nodes/'] },
  guest: {
    what: 'the guest harness itself',
    files: ['harness/guest.full', 'harness/suite.full', 'harness/cli.full'],
  },
} as const;

export type PartName = keyof typeof PARTS;
export const PART_NAMES = Object.keys(PARTS) as PartName[];

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export interface PartResult extends Counts {
  part: PartName;
  seconds: number;
}

/** What .ci/summary.mjs says in its line. */
export function readSummary(line: string): Counts {
  const [, passed, failed, skipped = '0'] =
    /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/m.exec(line) ?? [];
  // Without its line nothing is known to have passed.
  if (passed === undefined) return { passed: 0, failed: 1, skipped: 0 };
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
}

/** One row a part, and one for all; then the line that a runner closes with. */
export function table(results: readonly PartResult[]): string {
  const row = (name: string, ...cells: (string | number)[]) =>
    `${name.padEnd(8)}${cells.map((cell) => String(cell).padStart(10)).join('')}\n`;
  const minutes = (seconds: number) => `${(seconds / 60).toFixed(1)} min`;
  const sum = (field: keyof Counts | 'seconds') =>
    results.reduce((total, result) => total + result[field], 0);
  const rows = results.map(({ part, passed, failed, skipped, seconds }) =>
    row(part, passed, failed, skipped, minutes(seconds)),
  );
  const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')];
  return [
    row('part', 'passed', 'failed', 'skipped', 'time'),
    ...rows,
    row('all', passed, failed, skipped, minutes(sum('seconds'))),
    `${passed} passed, ${failed} failed, ${skipped} skipped\n`,
  ].join('');
}
