/** The launchers that start our ranks, and what comes of each thing that is tried under them. */

/** Outcomes that a launcher's user sees. A status is the launcher's own. */
export interface Outcomes {
  /** Each rank knows who it is, and values of any length pass. */
  values: string;
  /** Each rank's message reaches its neighbour; what the ranks of a machine share is theirs. */
  messages: string;
  /** What a rank starts is alone. */
  child: string;
  /** MPI.abort(7), MPI.abort(0). */
  abort: string;
  abortZero: string;
  /** A rank ends with 5, while others wait for it. */
  exit: string;
  /** A rank is killed by SIGKILL, while others wait for it. */
  killed: string;
  /** A rank ends with 0 without MPI.finalize(). */
  unfinalized: string;
  /** The launcher is killed by SIGKILL, while ranks wait for each other. */
  orphans: string;
}

/** It ends the job, with whichever status is not 0. */
export const SOME_STATUS = 'a status other than 0';
/** It ends the job, now with one status and now with another. */
export const ENDS = 'the job ends';
/** The launcher lets the job go on, which would take a test for ever: not tried again. */
export const GO_ON = 'the others go on';

export interface TestedLauncher {
  /** As in the table. */
  name: string;
  protocol: string;
  /** A program in PATH without which it cannot be tested. */
  needs: string;
  packages: string;
  /** What `job.launcher` says. */
  kind: string;
  command(ranks: number): string[];
  expected: Outcomes;
}

const FINE = 'works';

export const DREGRUN_LAUNCHER = (dregrun: string): TestedLauncher => ({
  name: '`dregrun`',
  protocol: 'PMI-1',
  needs: 'node',
  packages: 'this package',
  kind: 'dregrun',
  command: (ranks) => [process.execPath, dregrun, '-n', String(ranks)],
  expected: {
    ...{ values: FINE, messages: FINE, child: FINE },
    ...{ abort: 'status 7', abortZero: 'status 1', exit: 'status 5', killed: 'status 137' },
    ...{ unfinalized: 'status 1', orphans: 'none' },
  },
});

export const HYDRA: TestedLauncher = {
  name: '`mpiexec.hydra`',
  protocol: 'PMI-1',
  needs: 'mpiexec.hydra',
  packages: 'mpich',
  kind: 'pmi1',
  command: (ranks) => ['mpiexec.hydra', '-n', String(ranks)],
  expected: {
    ...{ values: FINE, messages: FINE, child: FINE },
    ...{ abort: 'status 7', abortZero: 'status 1', exit: SOME_STATUS, killed: SOME_STATUS },
    ...{ unfinalized: ENDS, orphans: 'none' },
  },
};

export const OPEN_MPI: TestedLauncher = {
  name: "Open MPI's `mpirun`",
  protocol: 'PMIx',
  needs: 'mpirun.openmpi',
  packages: 'openmpi-bin',
  kind: 'pmix',
  command: (ranks) => [
    ...['mpirun.openmpi', '--allow-run-as-root', '--oversubscribe'],
    ...['-n', String(ranks)],
  ],
  expected: {
    ...{ values: FINE, messages: FINE, child: FINE },
    ...{ abort: 'status 7', abortZero: 'status 1', exit: 'status 5', killed: 'status 137' },
    ...{ unfinalized: 'status 1', orphans: 'none' },
  },
};

const srun = (mpi: string, ranks: number) => [
  ...['srun', '--quiet', '--kill-on-bad-exit', '--overcommit', `--mpi=${mpi}`],
  ...['-n', String(ranks)],
];

export const SLURM_PMIX: TestedLauncher = {
  name: '`srun --mpi=pmix`',
  protocol: 'PMIx',
  needs: 'srun',
  packages: 'slurmd',
  kind: 'pmix',
  command: (ranks) => srun('pmix', ranks),
  expected: {
    ...{ values: FINE, messages: FINE, child: FINE },
    ...{ abort: SOME_STATUS, abortZero: SOME_STATUS, exit: SOME_STATUS, killed: SOME_STATUS },
    ...{ unfinalized: SOME_STATUS, orphans: 'none' },
  },
};

export const SLURM_PMI2: TestedLauncher = {
  ...SLURM_PMIX,
  name: '`srun --mpi=pmi2`',
  protocol: 'PMI-1',
  kind: 'pmi1',
  command: (ranks) => srun('pmi2', ranks),
  expected: { ...SLURM_PMIX.expected, unfinalized: GO_ON },
};
