/** dregrun's command line. */
import { MpiError } from '../base/error.ts';
import type { Binding } from './binding.ts';

/** More ranks than this on one machine are a typing error; each costs dregrun three descriptors. */
export const RANKS_LIMIT = 1024;

/** What the user asked for. */
export interface RunCommand {
  kind: 'run';
  ranks: number;
  timeoutSeconds: number | undefined;
  tagOutput: boolean;
  /** From -x: names with the values that the ranks shall see. */
  exports: Map<string, string>;
  workingDirectory: string | undefined;
  binding: Binding | undefined;
  transport: string | undefined;
  verbose: boolean;
  json: boolean;
  program: string;
  programArguments: string[];
}

/** `--doctor`: what works here; with what a job would be given besides. */
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

interface Option {
  /** How its value is called in messages; a flag has none. */
  value?: string;
  apply(command: RunCommand, value: string, name: string): void;
}

const RANKS: Option = {
  value: 'N',
  apply(command, value, name) {
    if (!/^[0-9]+$/.test(value) || Number(value) < 1 || Number(value) > RANKS_LIMIT)
      throw usage(`${name} ${value}: the number of ranks is 1 to ${RANKS_LIMIT}`);
    command.ranks = Number(value);
  },
};

const OPTIONS: Record<string, Option> = {
  '-n': RANKS,
  '-np': RANKS,
  '--np': RANKS,
  '--timeout': {
    value: 'SECONDS',
    apply(command, value) {
      const seconds = Number(value);
      // A timer of Node holds 2^31 - 1 milliseconds.
      if (!/^[0-9.]+$/.test(value) || !(seconds > 0) || seconds > 2_147_483)
        throw usage(`--timeout ${value}: no number of seconds above 0`);
      command.timeoutSeconds = seconds;
    },
  },
  '-x': { value: 'VAR[=VALUE]', apply: (command, value) => addExport(command, value) },
  '--wdir': {
    value: 'DIR',
    apply(command, value) {
      command.workingDirectory = value;
    },
  },
  '--bind-to': {
    value: 'core|none',
    apply(command, value) {
      if (value !== 'core' && value !== 'none')
        throw usage(`--bind-to ${value}: ranks bind to core or none`);
      command.binding = value;
    },
  },
  '--transport': {
    value: 'NAME',
    apply(command, value) {
      if (value === '') throw usage('--transport: the name is empty');
      command.transport = value;
    },
  },
  '--tag-output': {
    apply(command) {
      command.tagOutput = true;
    },
  },
  '--verbose': {
    apply(command) {
      command.verbose = true;
    },
  },
  '--json': {
    apply(command) {
      command.json = true;
    },
  },
};

/** @throws MpiError ERR_ARG with a message for the user. */
export function parseArguments(words: readonly string[]): Command {
  const command = emptyCommand();
  let doctor = false;
  let at = 0;
  for (; at < words.length && words[at].startsWith('-') && words[at] !== '-'; at++) {
    const word = words[at];
    if (word === '--') {
      at += 1;
      break;
    }
    if (word === '--help' || word === '-h') return { kind: 'help' };
    if (word === '--version') return { kind: 'version' };
    if (word === '--doctor') {
      doctor = true;
      continue;
    }
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    const option = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
    if (!option) throw usage(`unknown option ${word}`);
    let value = equals < 0 ? undefined : word.slice(equals + 1);
    if (option.value === undefined && value !== undefined) throw usage(`${name} takes no value`);
    if (option.value !== undefined && value === undefined) {
      at += 1;
      value = words[at];
      if (value === undefined) throw usage(`${name} needs a value: ${name} ${option.value}`);
    }
    option.apply(command, value ?? '', name);
  }
  if (doctor) return doctorCommand(command, words[at]);
  if (at >= words.length || words[at] === '') throw usage('no program to run');
  command.program = words[at];
  command.programArguments = words.slice(at + 1);
  return command;
}

function doctorCommand(command: RunCommand, program: string | undefined): DoctorCommand {
  if (program !== undefined) throw usage(`--doctor runs no program, and there is "${program}"`);
  const { json, transport, exports } = command;
  return { kind: 'doctor', json, transport, exports };
}

function emptyCommand(): RunCommand {
  return {
    kind: 'run',
    ranks: 1,
    timeoutSeconds: undefined,
    tagOutput: false,
    exports: new Map(),
    workingDirectory: undefined,
    binding: undefined,
    transport: undefined,
    verbose: false,
    json: false,
    program: '',
    programArguments: [],
  };
}

function addExport(command: RunCommand, text: string): void {
  const [, name, , given] = /^([A-Za-z_][A-Za-z0-9_]*)(=(.*))?$/s.exec(text) ?? [];
  if (name === undefined) throw usage(`-x ${text}: no VAR or VAR=VALUE`);
  if (name.startsWith('PMI_')) throw usage(`-x ${name}: dregrun sets this variable itself`);
  const value = given ?? process.env[name];
  if (value === undefined) throw usage(`-x ${name}: not set here; give it a value: -x ${name}=...`);
  command.exports.set(name, value);
}

function usage(message: string): MpiError {
  return new MpiError('ERR_ARG', message);
}
