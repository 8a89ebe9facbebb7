/** Which launcher's variables are there, and whether they say one thing. */
import { withoutHeapLibrary } from '../../native/shared-heap.ts';
import { MpiError } from '../base/error.ts';

/** By which a launcher of PMI-1 tells a process who it is. */
const PMI_VARIABLES = ['PMI_FD', 'PMI_RANK', 'PMI_SIZE'] as const;
/** By which one of PMIx does; libpmix reads others besides, all of which begin as these. */
const PMIX_VARIABLES = ['PMIX_NAMESPACE', 'PMIX_RANK'] as const;

const LAUNCHERS = ['auto', 'pmi1', 'pmix', 'none'] as const;

/** Launchers that do their work, for messages. */
export const OTHER_LAUNCHERS = 'dregrun, mpiexec.hydra, mpirun or srun --mpi=pmix';

/**
 * What a process was started by. `none`: it is alone, and no launcher says otherwise.
 * @throws MpiError ERR_LAUNCH where several do, or one whose protocol is not there: many worlds of one rank
 *   would look like a job; ERR_ARG
 * @environment DREG_LAUNCHER | `auto` (default), `pmi1`, `pmix`, `none` | which launcher's variables are
 *   valid, where those of two are there: PMI-1's (`PMI_FD`, `PMI_RANK`, `PMI_SIZE`) or PMIx's (`PMIX_…`);
 *   `none`: this process is alone
 */
export function whichLauncher(environment: NodeJS.ProcessEnv): 'pmi1' | 'pmix' | 'none' {
  const chosen = environment.DREG_LAUNCHER || 'auto';
  const known = LAUNCHERS.find((one) => one === chosen);
  if (known === undefined)
    throw new MpiError(
      'ERR_ARG',
      `DREG_LAUNCHER is "${chosen}"; it may be ${LAUNCHERS.join(', ')}`,
    );
  if (known !== 'auto') return known;
  const pmi = PMI_VARIABLES.filter((name) => environment[name] !== undefined);
  const pmix = PMIX_VARIABLES.filter((name) => environment[name] !== undefined);
  if (pmi.length > 0 && pmix.length > 0) throw twoLaunchers(pmi, pmix);
  if (pmi.length > 0) return 'pmi1';
  if (pmix.length > 0) return 'pmix';
  refuseOthers(environment);
  return 'none';
}

function twoLaunchers(pmi: readonly string[], pmix: readonly string[]): MpiError {
  return new MpiError(
    'ERR_LAUNCH',
    `two launchers say who this process is: one by ${pmi.join(', ')} (PMI-1: dregrun, mpiexec.hydra), one by ${pmix.join(', ')} (PMIx: Open MPI's mpirun, prterun, srun). Start the job by one of them, or name the inner one: DREG_LAUNCHER=pmi1 or DREG_LAUNCHER=pmix, or none to run alone`,
  );
}

/** @throws MpiError ERR_LAUNCH where a launcher started several of this process, and nobody can tell them of each other */
function refuseOthers({ PMI_PORT, SLURM_STEP_NUM_TASKS, SLURM_PROCID }: NodeJS.ProcessEnv): void {
  if (PMI_PORT !== undefined)
    throw new MpiError(
      'ERR_LAUNCH',
      `the launcher set PMI_PORT (PMI over TCP), which is not supported: start the job with ${OTHER_LAUNCHERS}; to run alone, set DREG_LAUNCHER=none`,
    );
  if (SLURM_STEP_NUM_TASKS !== undefined && SLURM_STEP_NUM_TASKS !== '1')
    throw new MpiError(
      'ERR_LAUNCH',
      `srun started this as task ${SLURM_PROCID ?? '?'} of ${SLURM_STEP_NUM_TASKS}, without telling the tasks of each other: add --mpi=pmix (or --mpi=pmi2; "srun --mpi=list" shows what there is). To run alone, set DREG_LAUNCHER=none`,
    );
}

/** What a rank starts from now on is no rank: variables that would make it one go. */
export function startsByItself(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) if (/^PMIX_/.test(name)) delete environment[name];
  for (const name of PMI_VARIABLES) delete environment[name];
  delete environment.SLURM_STEP_NUM_TASKS;
  delete environment.DREG_LAUNCHER;
}

/** What this process starts has no shared heap, unless it asks for one. */
export function dropHeapLibrary(environment: NodeJS.ProcessEnv): void {
  const { LD_PRELOAD } = environment;
  if (LD_PRELOAD === undefined) return;
  const others = withoutHeapLibrary(LD_PRELOAD);
  if (others === undefined) delete environment.LD_PRELOAD;
  else if (others !== LD_PRELOAD) environment.LD_PRELOAD = others;
}
