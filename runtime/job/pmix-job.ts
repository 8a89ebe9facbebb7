/** A job of a launcher that speaks PMIx: Open MPI's mpirun, prterun, srun --mpi=pmix. */
import { createHash } from 'node:crypto';
import { constants } from 'node:os';
import { addon } from '../../native/addon.ts';
import { PMIX, pmixAddon } from '../../native/pmix.ts';
import { check, MpiError } from '../base/error.ts';
import type { Job, Loss, LossReports } from './job.ts';
import { abortStatus, sayAbort } from './last-words.ts';
import { parseInteger } from './pmi-wire.ts';
import { SingletonJob } from './singleton-job.ts';
import { OTHER_LAUNCHERS } from './which-launcher.ts';

/** The library's name on every system. */
const PMIX_LIBRARY = 'libpmix.so.2';
/** The oldest major version of the library whose structures are those that the addon passes. */
export const PMIX_VERSION_LEAST = 3;

/** How long libpmix waits for its launcher's first answer, in seconds, unless the environment says otherwise. */
export const PMIX_ANSWER_SECONDS = 30;
const ANSWER_VARIABLE = 'PMIX_MCA_ptl_base_handshake_wait_time';

/** What a number that the launcher says belongs to, in place of a rank. */
const WHOLE_JOB = -1;

/** Who the launcher says that this process is. */
interface Identity {
  namespace: string;
  rank: number;
}

/**
 * @throws MpiError ERR_LAUNCH where a variable or the library is missing, the launcher does not answer, or
 *   another process is this rank already
 */
export function joinByPmix(environment: NodeJS.ProcessEnv): Job {
  const identity = identityOf(environment);
  const missing = pmixMissing(environment);
  if (missing !== '') {
    if (isAlone(environment)) return new SingletonJob();
    throw new MpiError(
      'ERR_LAUNCH',
      `rank ${identity.rank} was started by a launcher that speaks PMIx (Open MPI's mpirun, prterun, srun --mpi=pmix), and ${missing}. Or start the job with dregrun, mpiexec.hydra or srun --mpi=pmi2; to run alone, set DREG_LAUNCHER=none`,
      { rank: identity.rank },
    );
  }
  const held = claim(identity, environment);
  // Without it the library waits for ever where something else has the launcher's port.
  environment[ANSWER_VARIABLE] ??= String(PMIX_ANSWER_SECONDS);
  try {
    return new PmixJob(identity);
  } catch (error) {
    addon().closeFd(held);
    throw error;
  }
}

/**
 * '' where the library is there and young enough; else what is missing, and what to do.
 * @environment DREG_PMIX_LIBRARY | a file, `libpmix.so.2` | the PMIx library that a rank of `mpirun` or
 *   `srun --mpi=pmix` loads, where it is not found by this name
 */
export function pmixMissing(environment: NodeJS.ProcessEnv = process.env): string {
  const library = environment.DREG_PMIX_LIBRARY || PMIX_LIBRARY;
  const missing = pmixAddon().pmixLoad(library);
  if (missing !== '') return missing;
  const version = pmixVersion();
  if (Number(/(\d+)\.\d/.exec(version)?.[1]) >= PMIX_VERSION_LEAST) return '';
  return `${library} says that it is "${version}": install version ${PMIX_VERSION_LEAST} or newer`;
}

/** What the library, once loaded, says of itself. */
export const pmixVersion = (): string => pmixAddon().pmixVersion();

function identityOf({ PMIX_NAMESPACE, PMIX_RANK }: NodeJS.ProcessEnv): Identity {
  const rank = parseInteger(PMIX_RANK);
  if (PMIX_NAMESPACE && rank !== undefined && rank >= 0) return { namespace: PMIX_NAMESPACE, rank };
  const found = `PMIX_NAMESPACE is ${inWords(PMIX_NAMESPACE)}, and PMIX_RANK is ${inWords(PMIX_RANK)}`;
  throw new MpiError(
    'ERR_LAUNCH',
    `${found}: a launcher sets both. Start the job with ${OTHER_LAUNCHERS}; to run alone, set DREG_LAUNCHER=none`,
  );
}

const inWords = (text: string | undefined) => (text === undefined ? 'not set' : `"${text}"`);

/** Whether the launcher says that its job has one rank, by a way of its own. */
function isAlone({ OMPI_COMM_WORLD_SIZE, SLURM_STEP_NUM_TASKS }: NodeJS.ProcessEnv): boolean {
  return (OMPI_COMM_WORLD_SIZE ?? SLURM_STEP_NUM_TASKS) === '1';
}

/**
 * A process inherits the variables of the rank that starts it, and a PMIx server takes both for that rank:
 * its fences then end too early, or never. So the first to come holds a name, until it ends.
 * @throws MpiError ERR_LAUNCH
 */
function claim({ namespace, rank }: Identity, environment: NodeJS.ProcessEnv): number {
  const server = Object.entries(environment).filter(([name]) => /^PMIX_SERVER_URI/.test(name));
  const hash = createHash('sha256').update(JSON.stringify([namespace, rank, server.sort()]));
  const held = addon().fdSenderBind(`dreg-mpi/pmix/${hash.digest('hex').slice(0, 32)}`);
  if (held === -constants.errno.EADDRINUSE)
    throw new MpiError(
      'ERR_LAUNCH',
      `another process is rank ${rank} of this job already. A rank's children inherit the rank's variables: call MPI.init() before the rank starts any, or set DREG_LAUNCHER=none for those that are to run alone`,
      { rank },
    );
  return check(held, 'bind', `holding rank ${rank}`, { rank });
}

class PmixJob implements Job {
  readonly rank: number;
  readonly size: number;
  readonly launcher = 'pmix';
  readonly jobId: string;
  readonly losses: LossReports;

  constructor({ namespace, rank }: Identity) {
    this.rank = rank;
    const joined = pmixAddon().pmixInit();
    if (typeof joined === 'number')
      throw this.#failure(
        'PMIx_Init',
        joined,
        `the launcher that PMIX_NAMESPACE="${namespace}" is of does not answer: it may have ended`,
      );
    // Without its launcher a library may make up a job of one rank.
    if (joined[0] !== namespace || joined[1] !== rank)
      throw new MpiError(
        'ERR_LAUNCH',
        `rank ${rank}: PMIx found rank ${joined[1]} of "${joined[0]}" in place of "${namespace}", whose launcher does not answer: start the job again`,
        { rank },
      );
    const size = pmixAddon().pmixGet(WHOLE_JOB, 'pmix.job.size');
    if (typeof size !== 'number' || size <= rank)
      throw this.#failure('PMIx_Get', Number(size), 'the launcher does not say how many ranks');
    this.size = size;
    this.jobId = `pmix_${namespace}`;
    this.losses = { fd: joined[2], take: takeLosses };
  }

  put(key: string, value: string): void {
    this.#check('PMIx_Put', pmixAddon().pmixPut(key, Buffer.from(value)));
  }

  get(key: string, of: number): string | undefined {
    const value = pmixAddon().pmixGet(of, key);
    if (value === PMIX.notFound) return undefined;
    if (typeof value === 'number')
      throw this.#failure('PMIx_Get', value, `asking for ${key} of rank ${of}`);
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
  }

  fence(): void {
    this.#check('PMIx_Fence', pmixAddon().pmixFence());
  }

  finalize(): void {
    this.#check('PMIx_Finalize', pmixAddon().pmixFinalize());
  }

  /** Where the launcher has ended, there is no job left to be told. */
  abort(code: number, message: string): never {
    sayAbort(this.rank, code, message);
    pmixAddon().pmixAbort(abortStatus(code), message);
    process.exit(abortStatus(code));
  }

  #check(call: string, status: number): void {
    if (status >= 0) return;
    throw this.#failure(call, status, 'the launcher has ended, or a rank: look at their output');
  }

  #failure(call: string, status: number, what: string): MpiError {
    const name = pmixAddon().pmixErrorString(status);
    return new MpiError(
      'ERR_LAUNCH',
      `rank ${this.rank}: ${call} failed (${name}, ${status}): ${what}; start the job again`,
      { rank: this.rank },
    );
  }
}

function takeLosses(): Loss[] {
  const told = pmixAddon().pmixLostProcesses();
  const losses: Loss[] = [];
  for (let i = 0; i < told.length; i += 2)
    losses.push({
      rank: told[i] < 0 ? null : told[i],
      reason: pmixAddon().pmixErrorString(told[i + 1]),
    });
  return losses;
}
