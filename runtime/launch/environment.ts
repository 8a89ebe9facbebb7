/** The environment of a rank. */
import type { Binding } from './binding.ts';

/** Variables of another launcher, or of the job that dregrun itself runs in, are wrong for these ranks. */
const FOREIGN = /^(PMI_|PMIX_|HYDI_|HYDRA_|MPI_LOCAL|OMPI_COMM_WORLD_)/;
const OURS = [
  'DREG_JOB_ID',
  'DREG_LAUNCHER_PID',
  'DREG_CORES',
  'DREG_BIND',
  'DREG_COLUMNS',
  'DREG_LAUNCHER',
  'DREG_SUMMARY',
];

/** The descriptor of a rank's PMI connection: the first after stdin, stdout and stderr. */
export const PMI_FD = 3;

export interface JobEnvironment {
  jobId: string;
  ranks: number;
  binding: Binding;
  /** Cores that the whole job shares. */
  cores: number;
  transport: string | undefined;
  /** Width of the terminal that shows the ranks' output, if one does. */
  columns: number | undefined;
  /** Ranks count what they send. */
  summary?: boolean;
  exports: ReadonlyMap<string, string>;
}

/**
 * The environment that all ranks share: dregrun's own, cleaned, with the job's variables.
 * @environment PMI_FD | the descriptor of the PMI connection: 3
 * @environment PMI_SIZE | the number of ranks
 * @environment MPI_LOCALNRANKS | the number of ranks on this machine, by MPICH's name
 * @environment DREG_JOB_ID | the job's name, unique on this machine; also the name of the PMI key-value
 *   space
 * @environment DREG_LAUNCHER_PID | dregrun's pid
 * @environment DREG_CORES | cores that the whole job shares
 * @environment DREG_BIND | whether the ranks are bound: `core` or `none`
 * @environment DREG_COLUMNS | width of the terminal that shows the ranks' output, if one does
 * @environment DREG_SUMMARY | `1` where `--summary` asks each rank to count what it sends
 * @environment DREG_TRANSPORT | the value of `--transport`, if there is one
 */
export function jobEnvironment(base: NodeJS.ProcessEnv, job: JobEnvironment): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(base))
    if (!FOREIGN.test(name) && !OURS.includes(name)) environment[name] = value;
  for (const [name, value] of job.exports) environment[name] = value;
  environment.PMI_FD = String(PMI_FD);
  environment.PMI_SIZE = String(job.ranks);
  environment.MPI_LOCALNRANKS = String(job.ranks);
  environment.DREG_JOB_ID = job.jobId;
  environment.DREG_LAUNCHER_PID = String(process.pid);
  environment.DREG_CORES = String(job.cores);
  environment.DREG_BIND = job.binding;
  if (job.transport !== undefined) environment.DREG_TRANSPORT = job.transport;
  if (job.summary) environment.DREG_SUMMARY = '1';
  if (job.columns !== undefined) environment.DREG_COLUMNS = String(job.columns);
  return environment;
}

/**
 * All ranks are on this machine: a rank's number here, by MPICH's name for it, is its rank.
 * @environment PMI_RANK | the rank
 * @environment MPI_LOCALRANKID | the rank, by MPICH's name for it within a machine
 */
export function rankEnvironment(
  shared: NodeJS.ProcessEnv,
  rank: number,
  own: ReadonlyMap<string, string> = new Map(),
  preload?: string,
): NodeJS.ProcessEnv {
  const ranks = { PMI_RANK: String(rank), MPI_LOCALRANKID: String(rank) };
  const preloaded = preload === undefined ? {} : { LD_PRELOAD: preload };
  return { ...shared, ...Object.fromEntries(own), ...preloaded, ...ranks };
}
