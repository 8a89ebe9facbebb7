import { quote } from './command.ts';
import type { Kernel, KernelName } from './kernels.ts';
import { findProblems } from './log.ts';
import { buildModule, type ModuleOptions } from './modules.ts';
import { readyKernel } from './ready.ts';
import { type GuestResult, type NodeResult, runInGuest } from './run.ts';
import { parseTap, type TapStream } from './tap.ts';

/** A module to load before a program and to unload after it. */
export interface SuiteModule extends ModuleOptions {
  /** Module parameters, such as `max_slots=64`. */
  parameters?: string;
}

/** A program that prints TAP. */
export interface SuiteProgram {
  /** Unique in its suite. */
  name: string;
  /** Absolute path, then arguments. */
  command: string[];
  /** false: none. Unless told, the module in kernel/. */
  module?: SuiteModule | false;
  /** Modules of the kernel's own that it needs, by name; they stay loaded. */
  needs?: string[];
  /** Shell commands before it, such as `sh test/guest/rdma.sh lo`. */
  before?: string;
  timeoutSeconds?: number;
  /**
   * The module is broken on purpose: the program must notice, that is, at least one claim whose
   * name matches must be `not ok`.
   */
  mustFail?: RegExp;
}

export interface SuiteOptions {
  kernel: KernelName;
  programs: SuiteProgram[];
  /** 2: two guests joined by a network. Each program runs in both, and begins when both are there. */
  nodes?: 1 | 2;
  /** The guest that the last program kills on purpose. */
  dies?: number;
  memoryMiB?: number;
  env?: Record<string, string>;
  /** Multiplies every time limit: a debug kernel is slow. */
  timeScale?: number;
  /** Lines of the kernel's log that are expected. */
  allowedLog?: RegExp[];
  progress?: (line: string) => void;
}

export interface ProgramResult {
  program: SuiteProgram;
  /** Which of two guests it ran in. */
  node?: number;
  tap: TapStream;
  /** Why the program as a whole failed, whatever its claims say. */
  problems: string[];
  output: string;
  /** How long it took, by the guest's clock. */
  seconds: number;
  /** The part of the kernel's log that was written while it ran. */
  log: string;
}

export interface SuiteResult {
  kernel: KernelName;
  programs: ProgramResult[];
  guest: GuestResult;
  /** What is wrong with the guest and no single program is to blame for. */
  problems: string[];
}

const DEFAULT_PROGRAM_SECONDS = 300;
/** Time for the boot and for the loading of modules, added to the programs' own limits. */
const SUITE_SECONDS = 60;
const MARK = 'guest-suite:';

/** Waits until the other guest has come here, too; for so long, should it be dead. */
function meet(place: string, seconds: number): string {
  return [
    `touch "$GUEST_SHARED/${place}.$GUEST_NODE"; waited=0`,
    `until [ -e "$GUEST_SHARED/${place}.$((1 - GUEST_NODE))" ] || [ $waited -gt ${10 * seconds} ]`,
    'do sleep 0.1; waited=$((waited + 1)); done',
  ].join('\n');
}

async function programCommands(
  kernel: Kernel,
  program: SuiteProgram,
  index: number,
  /** Whether it begins, and ends, together with the other guest. */
  together: { begin: boolean; end: boolean },
): Promise<string> {
  const {
    module = {},
    needs = [],
    before = '',
    timeoutSeconds = DEFAULT_PROGRAM_SECONDS,
  } = program;
  const ko = module === false ? undefined : await buildModule(kernel, module);
  const name = ko?.replace(/^.*\/|\.ko$/g, '');
  const parameters = module === false ? '' : (module.parameters ?? '');
  const output = `"$GUEST_OUT/${index}.tap"`;
  return [
    together.begin ? meet(`${index}.begin`, timeoutSeconds) : '',
    `echo "${MARK} begin ${index}" >/dev/kmsg`,
    `echo ${quote(program.name)}`,
    'read -r start rest </proc/uptime',
    '(',
    needs.length > 0 ? `modprobe -a ${needs.map(quote).join(' ')} || exit 125` : '',
    ko ? `insmod ${quote(ko)} ${parameters} || exit 125` : '',
    before === '' ? '' : `{\n${before}\n} || exit 125`,
    `timeout -k 5 ${timeoutSeconds} ${program.command.map(quote).join(' ')}`,
    'status=$?',
    ko ? `rmmod ${name} || { echo '# the module does not unload'; status=124; }` : '',
    'exit $status',
    `) >${output} 2>&1 </dev/null`,
    // The guest's own clock, in seconds since its start.
    `status=$?; read -r now rest </proc/uptime; echo $status $start $now >"$GUEST_OUT/${index}.status"`,
    `echo "${MARK} end ${index}" >/dev/kmsg`,
    together.end ? meet(`${index}.end`, timeoutSeconds) : '',
    '',
  ].join('\n');
}

/** Cuts the log at the marks: one part a program, and the rest. */
function splitLog(log: string, count: number): { parts: string[]; rest: string } {
  const parts: string[] = Array.from({ length: count }, () => '');
  let rest = '';
  let current: number | undefined;
  for (const line of log.split('\n')) {
    const mark = new RegExp(`${MARK} (begin|end) (\\d+)`).exec(line);
    if (mark) current = mark[1] === 'begin' ? Number(mark[2]) : undefined;
    else if (current === undefined) rest += `${line}\n`;
    else parts[current] += `${line}\n`;
  }
  return { parts, rest };
}

function statusProblem(status: string | undefined, tap: TapStream, limit: number): string[] {
  if (status === undefined) return ['did not come to its end'];
  if (status === '124' || status === '137') return [`killed after ${limit} s, or does not unload`];
  if (status === '125') return ['could not be started'];
  const failed = tap.claims.some((claim) => !claim.ok && claim.skip === undefined);
  if (status === '0' && failed) return ['exit status 0 in spite of a failed claim'];
  if (status !== '0' && !failed) return [`exit status ${status}`];
  return [];
}

function programResult(
  program: SuiteProgram,
  index: number,
  guest: NodeResult,
  log: string,
  allowedLog: RegExp[] | undefined,
): ProgramResult {
  const file = guest.files.get(`${index}.tap`);
  if (file === undefined) {
    const tap = { claims: [], problems: [] };
    return { program, tap, problems: ['was not run'], output: '', seconds: 0, log };
  }
  const output = file.toString();
  const tap = parseTap(output);
  const [status, start, end] = guest.files.get(`${index}.status`)?.toString().split(/\s/) ?? [];
  const seconds = end === undefined ? 0 : Number(end) - Number(start);
  const limit = program.timeoutSeconds ?? DEFAULT_PROGRAM_SECONDS;
  const problems = [
    ...statusProblem(status, tap, limit),
    ...tap.problems,
    ...findProblems(log, allowedLog).map(({ kind, line }) => `kernel log: ${kind}: ${line}`),
  ];
  return { program, tap, problems, output, seconds, log };
}

/** What the programs did in one guest. */
function nodeResults(
  guest: NodeResult,
  programs: SuiteProgram[],
  allowedLog: RegExp[] | undefined,
): { results: ProgramResult[]; problems: string[] } {
  const { parts, rest } = splitLog(guest.log, programs.length);
  return {
    results: programs.map((program, index) =>
      programResult(program, index, guest, parts[index]!, allowedLog),
    ),
    problems: findProblems(rest, allowedLog).map(({ line }) => `kernel log: ${line}`),
  };
}

/** Takes the last program's result from the guest that it has killed: that has nothing to tell. */
function withoutTheDead(results: ProgramResult[], node: number, dies: number | undefined) {
  return node === dies ? results.slice(0, -1) : results;
}

/** Runs TAP programs one after another in one boot of a kernel. */
export async function runSuite(options: SuiteOptions): Promise<SuiteResult> {
  const { kernel, allowedLog, nodes = 1, dies, timeScale = 1, progress = () => {} } = options;
  const programs = options.programs.map((program) => ({
    ...program,
    timeoutSeconds: timeScale * (program.timeoutSeconds ?? DEFAULT_PROGRAM_SECONDS),
  }));
  const ready = await readyKernel(kernel);
  const commands: string[] = [];
  for (const [index, program] of programs.entries()) {
    // Nobody waits for the one that has died.
    const dead = dies !== undefined && program === programs.at(-1);
    const together = { begin: nodes === 2, end: nodes === 2 && !dead };
    commands.push(await programCommands(ready, program, index, together));
  }
  const limits = programs.map(({ timeoutSeconds }) => timeoutSeconds);
  const guest = await runInGuest({
    kernel,
    nodes,
    commands: `${commands.join('')}exit 0\n`,
    timeoutSeconds: limits.reduce((sum, limit) => sum + limit, timeScale * SUITE_SECONDS),
    onOutput: (text, node) => {
      const where = nodes === 1 ? kernel : `${kernel}, node ${node}`;
      progress(`${where}: ${text.trim().replaceAll('\n', ', ')}`);
    },
    env: { ...(process.env.CI ? { CI: process.env.CI } : {}), ...options.env },
    ...(dies === undefined ? {} : { dies }),
    ...(options.memoryMiB ? { memoryMiB: options.memoryMiB } : {}),
    ...(allowedLog ? { allowedLog } : {}),
  });
  const problems = guest.problems.filter((problem) => !problem.includes('kernel log:'));
  const results = guest.nodes.flatMap((one, node) => {
    const found = nodeResults(one, programs, allowedLog);
    problems.unshift(...found.problems);
    if (nodes === 1) return found.results;
    return withoutTheDead(found.results, node, dies).map((result) => ({ ...result, node }));
  });
  return { kernel, guest, problems, programs: results };
}
