/** How a process learns which rank of which job it is, and how the ranks exchange addresses. */
import { readFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { addon } from '../../native/addon.ts';
import { randomHex } from '../../native/random.ts';
import { withoutHeapLibrary } from '../../native/shared-heap.ts';
import { check, MpiError } from '../base/error.ts';
import { PmiClient } from './pmi-client.ts';
import { parseInteger } from './pmi-wire.ts';

/** How a rank learns who it is; synchronous, since MPI.init() is. */
export interface Job {
  readonly rank: number;
  readonly size: number;
  readonly launcher: 'dregrun' | 'pmi1' | 'singleton';
  /** Names the job on this machine; no two jobs share it. */
  readonly jobId: string;
  /** Publishes a value: every rank can `get` it after the next `fence`. A key is put once. */
  put(key: string, value: string): void;
  get(key: string): string | undefined;
  /** Blocks until every rank is in it. */
  fence(): void;
  /** The last call. After it the launcher takes the rank's exit for a normal one. */
  finalize(): void;
  /** Ends the whole job with this status. */
  abort(code: number, message: string): never;
}

/**
 * Joins the job that this process was started in, or a job of its own where no launcher started it.
 *
 * The PMI variables are taken out of `process.env`, and the shared heap's library out of LD_PRELOAD: what this
 * rank starts is no rank of the job.
 * @throws MpiError ERR_LAUNCH where the environment is malformed or the launcher does not answer.
 */
export function joinJob(environment: NodeJS.ProcessEnv = process.env): Job {
  const { PMI_FD, PMI_RANK, PMI_SIZE } = environment;
  dropPreload(environment);
  if (PMI_FD === undefined && PMI_RANK === undefined && PMI_SIZE === undefined) {
    refuseOtherLaunchers(environment);
    return new SingletonJob();
  }
  const fd = variable(environment, 'PMI_FD', 0, 2 ** 31 - 1);
  const size = variable(environment, 'PMI_SIZE', 1, 2 ** 31 - 1);
  const rank = variable(environment, 'PMI_RANK', 0, size - 1);
  refuseStrangersSocket(fd, rank, parseInteger(environment.DREG_LAUNCHER_PID));
  const job = new PmiJob(new PmiClient(fd, rank), rank, size, environment);
  for (const name of ['PMI_FD', 'PMI_RANK', 'PMI_SIZE']) delete environment[name];
  return job;
}

function dropPreload(environment: NodeJS.ProcessEnv): void {
  const { LD_PRELOAD } = environment;
  if (LD_PRELOAD === undefined) return;
  const others = withoutHeapLibrary(LD_PRELOAD);
  if (others === undefined) delete environment.LD_PRELOAD;
  else if (others !== LD_PRELOAD) environment.LD_PRELOAD = others;
}

/**
 * A launcher whose protocol this package does not speak must not end in many worlds of one rank. @throws
 * MpiError ERR_LAUNCH
 */
function refuseOtherLaunchers(environment: NodeJS.ProcessEnv): void {
  const { PMI_PORT, PMIX_RANK, OMPI_COMM_WORLD_SIZE, SLURM_STEP_NUM_TASKS } = environment;
  if (PMI_PORT !== undefined)
    throw new MpiError(
      'ERR_LAUNCH',
      'the launcher set PMI_PORT (PMI over TCP), which is not supported: start the job with dregrun, mpiexec.hydra or srun --mpi=pmi2',
    );
  const size = OMPI_COMM_WORLD_SIZE ?? SLURM_STEP_NUM_TASKS;
  if (PMIX_RANK === undefined || size === '1') return;
  throw new MpiError(
    'ERR_LAUNCH',
    `this is rank ${PMIX_RANK}${size === undefined ? '' : ` of ${size}`} of a launcher that speaks PMIx (Open MPI's mpirun, prterun, srun --mpi=pmix), which is not supported yet: start the job with dregrun, mpiexec.hydra or srun --mpi=pmi2; to run alone, unset PMIX_RANK`,
  );
}

/**
 * A child of a rank that has not joined yet inherits the rank's environment but not its connection: the
 * number may be a socket of its own, such as the channel that fork() of node:child_process makes.
 * @throws MpiError ERR_LAUNCH
 */
function refuseStrangersSocket(fd: number, rank: number, launcher: number | undefined): void {
  const { channel } = process as { channel?: { fd?: number } };
  const peer = addon().socketPeer(fd);
  // A rank may have started dregrun itself, whose variables are then that rank's.
  const strange = peer > 0 && peer !== launcher && isSameRank(peer, fd, rank);
  if (channel?.fd !== fd && !strange) return;
  const whose = channel?.fd === fd ? 'the channel to its parent' : `shared with process ${peer}`;
  throw new MpiError(
    'ERR_LAUNCH',
    `PMI_FD=${fd} is not the launcher's: in this process it is ${whose}. Rank ${rank} started this process before that rank had called MPI.init(). Call MPI.init() there first, or unset PMI_FD, PMI_RANK and PMI_SIZE here to run alone`,
    { rank },
  );
}

/** Whether a process was started as this very rank: a launcher never is. */
function isSameRank(pid: number, fd: number, rank: number): boolean {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return variables.includes(`PMI_FD=${fd}`) && variables.includes(`PMI_RANK=${rank}`);
  } catch {
    // Gone, or somebody else's.
    return false;
  }
}

/** A variable that must be a decimal integer of a range. */
function variable(
  environment: NodeJS.ProcessEnv,
  name: string,
  least: number,
  most: number,
): number {
  const text = environment[name];
  if (text === undefined)
    throw new MpiError(
      'ERR_LAUNCH',
      `${name} is not set, but other PMI variables are: start the job by a launcher, or unset PMI_FD, PMI_RANK and PMI_SIZE to run alone`,
    );
  const value = parseInteger(text);
  if (value === undefined || value < least || value > most)
    throw new MpiError(
      'ERR_LAUNCH',
      `${name}="${text}" is no integer in ${least}..${most}: start the job by a launcher, or unset PMI_FD, PMI_RANK and PMI_SIZE to run alone`,
    );
  return value;
}

/** The last words of a rank that ends its job. */
function sayAbort(rank: number, code: number, message: string): void {
  try {
    writeSync(2, `dreg-mpi: rank ${rank} aborts the job with status ${code}: ${message}\n`);
  } catch {
    // stderr is closed or full: the status still tells.
  }
}

class PmiJob implements Job {
  readonly rank: number;
  readonly size: number;
  readonly launcher: 'dregrun' | 'pmi1';
  readonly jobId: string;
  readonly #client: PmiClient;

  constructor(client: PmiClient, rank: number, size: number, environment: NodeJS.ProcessEnv) {
    this.#client = client;
    this.rank = rank;
    this.size = size;
    this.jobId = client.kvsname;
    this.launcher = environment.DREG_JOB_ID === client.kvsname ? 'dregrun' : 'pmi1';
    if (this.launcher === 'dregrun') dieWithLauncher(environment, rank);
  }

  put(key: string, value: string): void {
    this.#client.put(key, value);
  }

  get(key: string): string | undefined {
    return this.#client.get(key);
  }

  fence(): void {
    this.#client.barrier();
  }

  finalize(): void {
    this.#client.finalize();
  }

  abort(code: number, message: string): never {
    sayAbort(this.rank, code, message);
    this.#client.abort(code);
    process.exit(code);
  }
}

/**
 * Asks the kernel to end this rank with its launcher. Only where dregrun is the parent: a wrapper
 * between them may end before the rank does.
 */
function dieWithLauncher(environment: NodeJS.ProcessEnv, rank: number): void {
  const launcher = parseInteger(environment.DREG_LAUNCHER_PID);
  if (launcher === undefined || process.ppid !== launcher) return;
  const parent = addon().dieWithParent(constants.signals.SIGKILL);
  check(parent, 'prctl', 'ending with the launcher', { rank });
  // The launcher may have ended between our start and the call: then no signal will ever come.
  if (parent !== launcher)
    throw new MpiError(
      'ERR_LAUNCH',
      `the launcher of rank ${rank} has ended: start the job again`,
      { rank },
    );
}

/** A process that no launcher started: the only rank of its job. */
class SingletonJob implements Job {
  readonly rank = 0;
  readonly size = 1;
  readonly launcher = 'singleton';
  readonly jobId = `singleton_${process.pid}_${randomHex(6)}`;
  readonly #values = new Map<string, string>();

  put(key: string, value: string): void {
    this.#values.set(key, value);
  }

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  fence(): void {}

  finalize(): void {}

  abort(code: number, message: string): never {
    sayAbort(0, code, message);
    process.exit(code);
  }
}
