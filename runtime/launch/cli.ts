/** dregrun's command line. */
import { parseArgs } from 'node:util';
import { MpiError } from '../base/error.ts';
import type { Binding } from './binding.ts';

/** More ranks than this on one machine are a typing error. Each rank costs dregrun three descriptors. */
export const RANKS_LIMIT = 1024;

/** What the user asked for. */
export interface RunCommand {
  kind: 'run';
  ranks: number;
  timeoutSeconds: number | undefined;
  /** From --stuck: say what the ranks wait for once one has waited so long. */
  stuckSeconds: number | undefined;
  tagOutput: boolean;
  /** From -x: variables of the ranks, with their values. */
  exports: Map<string, string>;
  workingDirectory: string | undefined;
  binding: Binding | undefined;
  transport: string | undefined;
  verbose: boolean;
  json: boolean;
  program: string;
  programArguments: string[];
}

/** `--doctor`: says what works here, with the variables that a job would be given. */
export interface DoctorCommand {
  kind: 'doctor';
  json: boolean;
  transport: string | undefined;
  exports: Map<string, string>;
}

export type Command = RunCommand | DoctorCommand | { kind: 'help' } | { kind: 'version' };

export const HELP = `usage: dregrun [options] program [arguments]

Starts the ranks of an MPI job on this machine. A program whose name ends in .js, .mjs or .cjs runs
with this Node; anything else is run as it is. What follows the program belongs to it.

  -n, -np, --np N       number of ranks (default 1)
      --timeout SECONDS end the job after this time, with status 124
                        (default: MPIEXEC_TIMEOUT, if it is set)
      --stuck SECONDS   say on stderr who waits for whom, and where in the program, once a
                        rank has waited so long; the job goes on (so does SIGUSR2 to dregrun)
      --tag-output      start each line of output with its rank
  -x  VAR[=VALUE]       give the ranks this variable; repeatable
      --wdir DIR        start the ranks in this directory
      --bind-to WHAT    core: each rank on a core of its own; none: on all
                        (default: core for 2 or more ranks when there are as many cores)
      --transport NAME  the transport between ranks (DREG_TRANSPORT)
      --verbose         say on stderr what is done
      --json            end with the job's outcome on stderr, as one JSON object
      --doctor          say what works on this machine, what is missing, what to do
                        (with --json: as one JSON object on stdout)
      --help, --version
  --                    the next word is the program

The status is the first failing rank's (128 + its signal's number), 0 when all went well.
`;

const OPTIONS = {
  np: { type: 'string', short: 'n' },
  timeout: { type: 'string' },
  stuck: { type: 'string' },
  x: { type: 'string', short: 'x', multiple: true },
  wdir: { type: 'string' },
  'bind-to': { type: 'string' },
  transport: { type: 'string' },
  'tag-output': { type: 'boolean' },
  verbose: { type: 'boolean' },
  json: { type: 'boolean' },
  doctor: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

/** @throws MpiError ERR_ARG with a message for the user. */
export function parseArguments(words: readonly string[], environment = process.env): Command {
  const args = words.map((word) => (word === '-np' ? '--np' : word));
  // The first word that is neither an option nor an option's value is the program.
  const { tokens } = parseArgs({ args, options: OPTIONS, strict: false, tokens: true });
  const end = tokens.find(({ kind }) => kind !== 'option');
  const values = valuesOf(args.slice(0, end?.index ?? words.length));
  if (values.help) return { kind: 'help' };
  if (values.version) return { kind: 'version' };
  const shared = {
    json: values.json ?? false,
    transport: transportOf(values.transport),
    exports: new Map(values.x?.map((text) => exportOf(text, environment))),
  };
  const terminated = end?.kind === 'option-terminator';
  const rest = end ? words.slice(end.index + (terminated ? 1 : 0)) : [];
  if (values.doctor) {
    if (rest.length > 0) throw usage(`--doctor runs no program: leave out "${rest[0]}"`);
    return { kind: 'doctor', ...shared };
  }
  const [program, ...programArguments] = rest;
  if (!program) throw usage('there is no program to run: dregrun [options] program [arguments]');
  if (!terminated && programArguments.includes(':')) throw usage(SECOND_PROGRAM);
  return {
    kind: 'run',
    ...shared,
    ranks: ranksOf(values.np ?? '1'),
    timeoutSeconds: timeoutOf(values.timeout, environment.MPIEXEC_TIMEOUT),
    stuckSeconds: values.stuck === undefined ? undefined : secondsOf('--stuck ', values.stuck),
    tagOutput: values['tag-output'] ?? false,
    workingDirectory: values.wdir,
    binding: bindingOf(values['bind-to']),
    verbose: values.verbose ?? false,
    program,
    programArguments,
  };
}

const SECOND_PROGRAM =
  '":" begins a second program, and a job is one program for now; ' +
  'if ":" is an argument of the program, write -- before the program';

function valuesOf(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function ranksOf(text: string): number {
  const ranks = /^[0-9]+$/.test(text) ? Number(text) : 0;
  if (ranks < 1 || ranks > RANKS_LIMIT)
    throw usage(`-n ${text}: the number of ranks is 1 to ${RANKS_LIMIT}`);
  return ranks;
}

/**
 * MPICH's variable holds whole seconds; 0 or less is no limit. The option wins over the variable.
 * @environment MPIEXEC_TIMEOUT | seconds | ends the job after this time, unless `--timeout` says otherwise
 */
function timeoutOf(option: string | undefined, variable: string | undefined): number | undefined {
  if (option === undefined && (!variable || /^(0+|-[0-9]+)$/.test(variable))) return undefined;
  const name = option === undefined ? 'MPIEXEC_TIMEOUT=' : '--timeout ';
  return secondsOf(name, option ?? variable ?? '');
}

function secondsOf(name: string, text: string): number {
  const seconds = Number(text);
  // A timer of Node takes at most 2^31 - 1 milliseconds.
  if (!/^[0-9.]+$/.test(text) || !(seconds > 0) || seconds > 2_147_483)
    throw usage(`${name}${text}: it must be a number of seconds above 0`);
  return seconds;
}

function bindingOf(text: string | undefined): Binding | undefined {
  if (text === undefined || text === 'core' || text === 'none') return text;
  throw usage(`--bind-to ${text}: it must be core or none`);
}

function transportOf(name: string | undefined): string | undefined {
  if (name === '') throw usage('--transport: the name is empty');
  return name;
}

function exportOf(text: string, environment: NodeJS.ProcessEnv): [name: string, value: string] {
  const [, name, , given] = /^([A-Za-z_][A-Za-z0-9_]*)(=(.*))?$/s.exec(text) ?? [];
  if (name === undefined) throw usage(`-x ${text}: it must be VAR or VAR=VALUE`);
  if (name.startsWith('PMI_'))
    throw usage(`-x ${name}: dregrun sets this variable itself; leave it out`);
  const value = given ?? environment[name];
  if (value === undefined)
    throw usage(`-x ${name}: this variable is not set here; give it a value: -x ${name}=...`);
  return [name, value];
}

function usage(message: string): MpiError {
  return new MpiError('ERR_ARG', message);
}
