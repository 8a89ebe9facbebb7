/** dregrun: starts the ranks of a job on this machine. Options, statuses: docs/operating/launching.md. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { randomHex } from '../../native/random.ts';
import { heapLibrary } from '../../native/shared-heap.ts';
import { MAX_LOCAL_RANKS } from '../../transports/shm/layout.ts';
import { addressOf, MpiError, withoutAddress } from '../base/error.ts';
import { allowedCpus, type BindingPlan, mayBind, planBinding } from './binding.ts';
import type { DoctorCommand, RunCommand } from './command-line/command.ts';
import { parseArguments } from './command-line/parse.ts';
import { jobEnvironment } from './environment.ts';
import { HANDED_GRACE_MS, hand, planHanding } from './handing.ts';
import { JobInput } from './job-input.ts';
import { JobRun } from './job-run.ts';
import { EXIT_FAILED, EXIT_USAGE, signalStatus } from './outcome.ts';
import { Output } from './output.ts';
import { isScript } from './program.ts';
import { RankOutputs } from './rank-outputs.ts';
import { planRanks } from './rank-plans.ts';
import { Sink, sameFile } from './sink.ts';
import { summaryTable } from './summary.ts';
import { leave, type TerminalInput } from './terminal.ts';

/** Milliseconds for which output waits for its reader after the job was ended from outside. */
const FLUSH_MS = 2000;

/**
 * nohup ignores SIGHUP, but Node gives every signal its default effect when it starts. So bundle.mjs lets a
 * shell look before. The ranks ignore the signal, too.
 * @environment DREG_NOHUP | `1` | the first line of `dregrun`'s own script sets it where SIGHUP is to be
 *   ignored
 */
const IGNORED: NodeJS.Signals[] = process.env.DREG_NOHUP === '1' ? ['SIGHUP'] : [];
delete process.env.DREG_NOHUP;
/** These signals end the job. Its ranks get the same signal. */
const ENDING = (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const).filter(
  (signal) => !IGNORED.includes(signal),
);
/** These signals are passed on to the ranks. */
const HANDED: NodeJS.Signals[] = ['SIGUSR1', 'SIGUSR2'];

interface Answer {
  status: number;
  /**
   * True where dregrun must not wait for the reader of its output, because the job was ended from outside.
   */
  hurry: boolean;
}

async function main(words: string[]): Promise<number> {
  const stdout = new Output(new Sink(1));
  const stderr = sameFile(1, 2) ? stdout : new Output(new Sink(2));
  for (const signal of IGNORED) process.on(signal, () => {});
  const { status, hurry } = await answer(words, stdout, stderr);
  // A slow reader gets everything, unless the user loses patience.
  for (const signal of ENDING) process.on(signal, () => leave(status));
  for (const { sink } of [stdout, stderr]) await sink.flush(hurry ? FLUSH_MS : undefined);
  return status;
}

async function answer(words: string[], stdout: Output, stderr: Output): Promise<Answer> {
  try {
    const command = parseArguments(words);
    if (command.kind === 'run') return await run(command, stdout, stderr);
    if (command.kind === 'doctor') return await examine(command, stdout);
    if (command.kind === 'build') return build(stdout);
    if (command.kind === 'init') await begin(command.json, stdout);
    else if (command.kind === 'help') stdout.write(undefined, Buffer.from(command.text));
    else stdout.say(command.kind === 'version' ? `dregrun ${packageVersion()}` : heapLibrary());
    return { status: 0, hurry: false };
  } catch (error) {
    if (!(error instanceof MpiError) || error.code !== 'ERR_ARG') throw error;
    const said = withoutAddress(error.message);
    stderr.say(`dregrun: ${said}; see dregrun --help, or ${addressOf(error.code)}`);
    return { status: EXIT_USAGE, hurry: false };
  }
}

async function examine(command: DoctorCommand, stdout: Output): Promise<Answer> {
  // Loaded on request, because it imports every part of the package.
  const { examination, shown } = await import('./doctor/doctor.ts');
  for (const [name, value] of command.exports) process.env[name] = value;
  if (command.transport !== undefined) process.env.DREG_TRANSPORT = command.transport;
  const found = await examination(packageVersion());
  stdout.say(command.json ? JSON.stringify(found) : shown(found));
  return { status: found.ok ? 0 : EXIT_FAILED, hurry: false };
}

function build(stdout: Output): Answer {
  const root = packageRoot();
  const { status } = spawnSync(process.execPath, [join(root, 'native/build.mjs')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status === 0) stdout.say(`dregrun: the native addon is built in ${root}/native/build`);
  return { status: status ?? EXIT_FAILED, hurry: false };
}

async function begin(json: boolean, stdout: Output): Promise<void> {
  const { shown, writeFirstProgram } = await import('./init.ts');
  const written = writeFirstProgram(process.cwd(), packageVersion());
  stdout.say(json ? JSON.stringify(written) : shown(written));
}

/** A job on other machines, by the launcher that starts processes there. */
async function runElsewhere(command: RunCommand, stderr: Output): Promise<Answer> {
  const plan = planHanding(command, process.env);
  if ('status' in plan) {
    stderr.say(`dregrun: ${plan.message}`);
    return { status: plan.status, hurry: false };
  }
  if (command.verbose) stderr.say(`dregrun: ${[plan.file, ...plan.words].join(' ')}`);
  const { timeoutSeconds } = command;
  const end = timeoutSeconds && 1000 * timeoutSeconds + HANDED_GRACE_MS;
  return { status: await hand(plan, end, (text) => stderr.say(text)), hurry: false };
}

async function run(command: RunCommand, stdout: Output, stderr: Output): Promise<Answer> {
  if (command.hosts.length > 0) return await runElsewhere(command, stderr);
  const ranks = planRanks(command, process.env);
  if ('status' in ranks) {
    stderr.say(`dregrun: ${ranks.message}`);
    return { status: ranks.status, hurry: false };
  }
  checkSize(command);
  const binding = bindingFor(command);
  const jobId = `dreg_${process.pid}_${randomHex(6)}`;
  const outputs = new RankOutputs(command.output, stdout, stderr, command.ranks);
  const input = new JobInput(command);
  const say = (message: string) => stderr.say(`dregrun: ${message}`);
  const { tag, timestamp, folder } = command.output;
  const job = new JobRun({
    command,
    jobId,
    ranks,
    environment: jobEnvironment(process.env, {
      jobId,
      ranks: command.ranks,
      binding: binding.binding,
      cores: binding.cores,
      transport: command.transport,
      columns: stderr.sink.isTerminal ? process.stderr.columns : undefined,
      summary: command.summary,
      exports: command.exports,
    }),
    binding,
    inputs: input.ends,
    ignored: IGNORED.map((signal) => constants.signals[signal]),
    outputs,
    ownOutput: command.ranks === 1 && !tag && !timestamp && folder === undefined,
    say,
    log: command.verbose ? say : () => {},
  });
  watchSignals(job, input.terminal);
  watchReaders(job, outputs);
  const running = job.run();
  input.started();
  const outcome = await running;
  input.close();
  if (command.summary) stderr.say(summaryTable(outcome.ranks));
  if (command.json) stderr.say(JSON.stringify(outcome));
  return { status: outcome.status, hurry: job.hurried };
}

function bindingFor({ binding, ranks }: RunCommand): BindingPlan {
  const cpus = allowedCpus() ?? [];
  return planBinding(mayBind(binding, cpus) ? binding : 'none', ranks, cpus);
}

/** Ranks of this package share a segment, which has a limit of its own; other programs do not. */
function checkSize({ programs }: RunCommand): void {
  const scripts = programs.filter(({ program }) => isScript(program));
  const ranks = scripts.reduce((sum, { ranks }) => sum + ranks, 0);
  if (ranks <= MAX_LOCAL_RANKS) return;
  const { program } = scripts[0];
  const limit = `at most ${MAX_LOCAL_RANKS} ranks of this package run on one machine (MAX_LOCAL_RANKS)`;
  const other = `if the script does not use this package: dregrun -n ${ranks} -- node ${program}`;
  throw new MpiError('ERR_ARG', `-n ${ranks} ${program}: ${limit}; ${other}`);
}

function watchSignals(job: JobRun, input: TerminalInput | undefined): void {
  for (const signal of ENDING) process.on(signal, () => job.interrupt(signal));
  for (const signal of HANDED) process.on(signal, () => job.hand(signal));
  process.on('SIGUSR2', () => job.report());
  // The ranks are in sessions of their own: the terminal's Ctrl-Z stops dregrun alone.
  process.on('SIGTSTP', () => {
    job.pause('SIGSTOP');
    input?.pause();
    process.kill(process.pid, 'SIGSTOP');
  });
  process.on('SIGCONT', () => {
    job.pause('SIGCONT');
    input?.resume();
  });
}

/** An output that cannot be written ends the job. If the reader went away, that is not reported. */
function watchReaders(job: JobRun, { outputs }: RankOutputs): void {
  for (const { sink } of outputs)
    sink.onError((error) =>
      job.end(
        error.code === 'EPIPE'
          ? { reason: 'output', status: signalStatus('SIGPIPE') }
          : { reason: 'output', status: EXIT_FAILED, message: `output: ${error.message}` },
        'SIGTERM',
      ),
    );
}

function packageVersion(): string {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')).version;
}

try {
  leave(await main(process.argv.slice(2)));
} catch (error) {
  // Errors that no rank and no user caused: a missing addon, a system call that must not fail.
  writeSync(2, `dregrun: ${error instanceof Error ? error.message : error}\n`);
  leave(EXIT_FAILED);
}
