/** What the user's words ask of dregrun. */
import { parseArgs } from 'node:util';
import type { Command, ProgramSpec, RunCommand } from './command.ts';
import { areHere, hostsOf, hostsOfFile } from './hosts.ts';
import { nearestOf } from './nearest.ts';
import {
  HELP,
  INIT_HELP,
  INIT_OPTIONS,
  JOB_OPTIONS,
  PROGRAM_OPTIONS,
  plainWords,
} from './options.ts';
import {
  bindingOf,
  debuggedOf,
  exportOf,
  folderOf,
  inputOf,
  pairOf,
  perHostOf,
  RANKS_LIMIT,
  ranksOf,
  secondsOf,
  sharedHeapOf,
  timeoutOf,
  transportOf,
  usage,
} from './values.ts';

type Options = typeof JOB_OPTIONS | typeof PROGRAM_OPTIONS | typeof INIT_OPTIONS;

/** The words up to a program, and from it on. */
interface Split {
  options: string[];
  /** The program and its arguments. */
  own: string[];
  /** The next program's words; undefined: there is none. */
  next: string[] | undefined;
}

/** @throws MpiError ERR_ARG with a message for the user. */
export function parseArguments(words: readonly string[], environment = process.env): Command {
  if (words[0] === 'build') {
    if (words.length === 1) return { kind: 'build' };
    throw usage(`build takes no arguments; to start a program of this name: dregrun ./build`);
  }
  if (words[0] === 'init') return parseInit(words.slice(1));
  const first = split(words, JOB_OPTIONS);
  const values = valuesOf(first.options, JOB_OPTIONS);
  if (values.help) return { kind: 'help', text: HELP };
  if (values.version) return { kind: 'version' };
  if (values['heap-library']) return { kind: 'heap-library' };
  const shared = {
    json: values.json ?? false,
    transport: transportOf(values.transport),
    exports: new Map([
      ...(values.x ?? []).map((text) => exportOf(text, environment)),
      ...(values.genv ?? []).map((text) => pairOf('-genv', text)),
    ]),
  };
  if (values.doctor) {
    if (first.own.length > 0) throw usage(`--doctor runs no program: leave out "${first.own[0]}"`);
    return { kind: 'doctor', ...shared };
  }
  const job = jobOf(first, values);
  const { ranks } = job;
  return {
    kind: 'run',
    ...shared,
    ...job,
    timeoutSeconds: timeoutOf(values.timeout, environment.MPIEXEC_TIMEOUT),
    stuckSeconds: values.stuck === undefined ? undefined : secondsOf('--stuck ', values.stuck),
    input: inputOf(values.stdin ?? '0', ranks),
    output: {
      tag: values['tag-output'] ?? false,
      timestamp: values['timestamp-output'] ?? false,
      merge: values['merge-stderr'] ?? false,
      folder: folderOf(values['output-filename']),
    },
    binding: bindingOf(values['bind-to']),
    reportBindings: values['report-bindings'] ?? false,
    debug: debuggedOf(values.debug, ranks),
    sharedHeap: sharedHeapOf(values['shared-heap'], values['no-shared-heap']),
    verbose: values.verbose ?? false,
    summary: values.summary ?? false,
  };
}

type JobValues = ReturnType<typeof valuesOf<typeof JOB_OPTIONS>>;

/** What runs, how often, and where. */
function jobOf(
  first: Split,
  values: JobValues,
): Pick<RunCommand, 'ranks' | 'hosts' | 'ranksPerHost' | 'programs'> {
  const ranksPerHost = values.ppn === undefined ? undefined : perHostOf(values.ppn);
  const named = [
    ...(values.host === undefined ? [] : hostsOf(values.host)),
    ...(values.hostfile === undefined ? [] : hostsOfFile(values.hostfile)),
  ];
  const hosts = areHere(named) ? [] : named;
  const machines = Math.max(hosts.length, 1);
  // So many on each: then nobody has to count them.
  const np = values.np ?? String(ranksPerHost === undefined ? 1 : ranksPerHost * machines);
  const most = RANKS_LIMIT * machines;
  const programs = [
    programOf(first, { ...values, np }, most),
    ...furtherPrograms(first.next, most),
  ];
  const ranks = ranksOf(programs.reduce((sum, { ranks }) => sum + ranks, 0).toString(), most);
  if (ranksPerHost !== undefined && ranks > ranksPerHost * machines)
    throw usage(
      `--ppn ${ranksPerHost}: ${ranks} ranks do not fit on ${machines} machine(s): name more by --host or --hostfile`,
    );
  return { ranks, hosts, ranksPerHost, programs };
}

function parseInit(words: readonly string[]): Command {
  const { options, own, next } = split(words, INIT_OPTIONS);
  const { help, json = false } = valuesOf(options, INIT_OPTIONS);
  if (help) return { kind: 'help', text: INIT_HELP };
  if (own.length === 0 && next === undefined) return { kind: 'init', json };
  throw usage(
    `init writes into the current folder, and takes no "${own[0] ?? ':'}"; a program named init: dregrun -- init`,
  );
}

function furtherPrograms(words: string[] | undefined, most: number): ProgramSpec[] {
  if (words === undefined) return [];
  const one = split(words, PROGRAM_OPTIONS);
  return [
    programOf(one, valuesOf(one.options, PROGRAM_OPTIONS), most),
    ...furtherPrograms(one.next, most),
  ];
}

function programOf(
  { own }: Split,
  values: { np?: string; env?: string[]; wdir?: string },
  most: number,
): ProgramSpec {
  const [program, ...programArguments] = own;
  if (!program) throw usage('there is no program to run: dregrun [options] program [arguments]');
  return {
    ranks: ranksOf(values.np ?? '1', most),
    program,
    programArguments,
    exports: new Map((values.env ?? []).map((text) => pairOf('-env', text))),
    workingDirectory: values.wdir,
  };
}

/** The first word that is neither an option nor an option's value is the program. */
function split(words: readonly string[], options: Options): Split {
  const plain = plainWords(words);
  const args = plain.map(({ text }) => text);
  const { tokens } = parseArgs({ args, options, strict: false, tokens: true });
  const end = tokens.find(({ kind }) => kind !== 'option');
  const before = args.slice(0, end?.index ?? args.length);
  if (end === undefined) return { options: before, own: [], next: undefined };
  const at = plain[end.index].at;
  if (end.kind === 'option-terminator')
    return { options: before, own: words.slice(at + 1), next: undefined };
  const colon = words.indexOf(':', at);
  if (colon < 0) return { options: before, own: words.slice(at), next: undefined };
  return { options: before, own: words.slice(at, colon), next: words.slice(colon + 1) };
}

function valuesOf<const O extends Options>(args: string[], options: O) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    const { message } = error as Error;
    const [, name] = /'--([^']+)'/.exec(message) ?? [];
    if (!message.startsWith('Unknown option') || name === undefined) throw usage(message);
    if (name in JOB_OPTIONS && !(name in options))
      throw usage(`--${name} is of the whole job: it stands before the first program`);
    const nearest = nearestOf(name, Object.keys(options));
    throw usage(`there is no option --${name}${nearest && `; did you mean --${nearest}?`}`);
  }
}
