/** A job of a launcher that speaks PMI-1: dregrun, mpiexec.hydra, srun --mpi=pmi2, Flux. */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { addon } from '../../native/addon.ts';
import { check, MpiError } from '../base/error.ts';
import type { Job } from './job.ts';
import { abortStatus, sayAbort } from './last-words.ts';
import { PmiClient } from './pmi-client.ts';
import { parseInteger } from './pmi-wire.ts';

/** @throws MpiError ERR_LAUNCH where the environment is malformed or the launcher does not answer */
export function joinByPmi(environment: NodeJS.ProcessEnv): Job {
  const fd = variable(environment, 'PMI_FD', 0, 2 ** 31 - 1);
  const size = variable(environment, 'PMI_SIZE', 1, 2 ** 31 - 1);
  const rank = variable(environment, 'PMI_RANK', 0, size - 1);
  refuseStrangersSocket(fd, rank, parseInteger(environment.DREG_LAUNCHER_PID));
  return new PmiJob(new PmiClient(fd, rank), rank, size, environment);
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
      `${name} is not set, but other variables of PMI-1 are: start the job by a launcher, or unset PMI_FD, PMI_RANK and PMI_SIZE to run alone`,
    );
  const value = parseInteger(text);
  if (value === undefined || value < least || value > most)
    throw new MpiError(
      'ERR_LAUNCH',
      `${name}="${text}" is no integer in ${least}..${most}: start the job by a launcher, or unset PMI_FD, PMI_RANK and PMI_SIZE to run alone`,
    );
  return value;
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

  /** Keys are the whole job's: each names the rank that has put it. */
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
    // dregrun shows the code, and has the status from it.
    this.#client.abort(this.launcher === 'dregrun' ? code : abortStatus(code));
    process.exit(abortStatus(code));
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
