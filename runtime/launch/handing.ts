/** Jobs on more than this machine: the launcher that such a job is handed to. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pmixMissing } from '../job/pmix-job.ts';
import type { RunCommand } from './command-line/command.ts';
import { usage } from './command-line/values.ts';
import { EXIT_TIMEOUT, signalStatus } from './outcome.ts';
import { findProgram, type NoProgram } from './program.ts';

const HYDRA = 'mpiexec.hydra';
const SRUN = 'srun';

/** How long after `--timeout` another launcher may take to end the job. */
export const HANDED_GRACE_MS = 5_000;

/** What another launcher is started with. */
export interface Handing {
  file: string;
  words: string[];
  environment: NodeJS.ProcessEnv;
}

/**
 * The launcher of a job on other machines: Slurm's within an allocation of its own, else MPICH's.
 * @throws MpiError ERR_ARG where there is none, or where it cannot do what is asked
 */
export function planHanding(
  command: RunCommand,
  environment: NodeJS.ProcessEnv,
): Handing | NoProgram {
  refuseOwn(command);
  const programs = command.programs.map(({ program, programArguments }) =>
    findProgram(program, programArguments, environment.PATH),
  );
  const missing = programs.find((program): program is NoProgram => 'status' in program);
  if (missing !== undefined) return missing;
  const words = (programs as { file: string; words: string[] }[]).map(({ file, words }) => [
    file,
    ...words,
  ]);
  const find = (name: string) => {
    const found = findProgram(name, [], environment.PATH);
    return 'status' in found ? undefined : found.file;
  };
  const [hydra, srun] = [find(HYDRA), find(SRUN)];
  const given = givenTo(command, environment);
  const inSlurm = environment.SLURM_JOB_ID !== undefined && srun !== undefined;
  if (hydra !== undefined && !inSlurm)
    return { file: hydra, words: hydraWords(command, words), environment: given };
  if (srun !== undefined)
    return { file: srun, words: srunWords(command, words), environment: given };
  const names = command.hosts.map(({ name }) => name).join(', ');
  throw usage(
    `${names}: dregrun starts ranks on this machine alone, and hands other jobs to ${HYDRA} or ${SRUN}, which are not in PATH: install mpich (Debian: apt-get install mpich), run it within a Slurm allocation, or leave out --host and --hostfile`,
  );
}

/** What dregrun does itself, for its own ranks. */
function refuseOwn(command: RunCommand): void {
  const { output } = command;
  const asked: [string, boolean][] = [
    ['--stuck', command.stuckSeconds !== undefined],
    ['--stdin', command.input !== 0],
    ['--timestamp-output', output.timestamp],
    ['--merge-stderr', output.merge],
    ['--output-filename', output.folder !== undefined],
    ['--bind-to', command.binding !== undefined],
    ['--report-bindings', command.reportBindings],
    ['--debug', command.debug !== undefined],
    ['--summary', command.summary],
    ['--shared-heap', command.sharedHeap === true],
    ['--json', command.json],
  ];
  const [name] = asked.find(([, is]) => is) ?? [];
  if (name !== undefined)
    throw usage(`${name} is for ranks of this machine alone: leave it out, or the other hosts`);
}

function givenTo(command: RunCommand, base: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(base))
    if (!/^(PMI_|PMIX_|OMPI_COMM_WORLD_)/.test(name)) environment[name] = value;
  if (command.timeoutSeconds !== undefined)
    environment.MPIEXEC_TIMEOUT = String(Math.ceil(command.timeoutSeconds));
  return environment;
}

/** Variables of the ranks. */
function variablesOf({ exports, transport }: RunCommand): [string, string][] {
  return [...exports, ...(transport === undefined ? [] : [['DREG_TRANSPORT', transport]])] as [
    string,
    string,
  ][];
}

function hydraWords(command: RunCommand, programs: readonly string[][]): string[] {
  const hosts = command.hosts.map(({ name, places }) => (places ? `${name}:${places}` : name));
  const words = ['-hosts', hosts.join(',')];
  if (command.ranksPerHost !== undefined) words.push('-ppn', String(command.ranksPerHost));
  if (command.output.tag) words.push('-prepend-rank');
  for (const [name, value] of variablesOf(command)) words.push('-genv', name, value);
  for (const [index, { ranks, exports, workingDirectory }] of command.programs.entries()) {
    if (index > 0) words.push(':');
    words.push('-n', String(ranks));
    for (const [name, value] of exports) words.push('-env', name, value);
    if (workingDirectory !== undefined) words.push('-wdir', workingDirectory);
    words.push(...programs[index]);
  }
  return words;
}

function srunWords(command: RunCommand, programs: readonly string[][]): string[] {
  const [{ exports, workingDirectory }] = command.programs;
  if (command.programs.length > 1)
    throw usage(`several programs: ${SRUN} starts one; use its --multi-prog, or ${HYDRA}`);
  if (command.timeoutSeconds !== undefined)
    throw usage(`--timeout: ${SRUN} counts in minutes; give it SLURM_TIMELIMIT instead`);
  const words = [`--mpi=${pmixMissing() === '' ? 'pmix' : 'pmi2'}`, '--kill-on-bad-exit'];
  words.push('-n', String(command.ranks), '-w', command.hosts.map(({ name }) => name).join(','));
  if (command.ranksPerHost !== undefined) words.push(`--ntasks-per-node=${command.ranksPerHost}`);
  if (command.output.tag) words.push('--label');
  if (workingDirectory !== undefined) words.push(`--chdir=${workingDirectory}`);
  const variables = [...variablesOf(command), ...exports];
  // srun has no other way for a value with a comma in it.
  return [...words, 'env', ...variables.map(([name, value]) => `${name}=${value}`), ...programs[0]];
}

/**
 * Runs it in dregrun's place: with its input, output and signals. hydra waits for a machine that it does not reach, past
 * the time that it was given.
 * @param end milliseconds after which it is killed, if it has not ended by itself
 * @param say where this is told
 * @returns its status
 */
export async function hand(
  { file, words, environment }: Handing,
  end: number | undefined,
  say: (text: string) => void,
): Promise<number> {
  const child = spawn(file, words, { stdio: 'inherit', env: environment });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  let isLate = false;
  const kill = () => {
    isLate = true;
    say(`dregrun: the job's time is over, and ${file} goes on: killed; can all hosts be reached?`);
    child.kill('SIGKILL');
  };
  const timer = end === undefined ? undefined : setTimeout(kill, end);
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  return isLate ? EXIT_TIMEOUT : (status ?? signalStatus(signal ?? 'SIGKILL'));
}
