/** dregrun's options, and its help. */
export const HELP = `usage: dregrun [options] program [arguments] [: [options] program [arguments]] ...
       dregrun init      write a first program into this folder

Starts the ranks of an MPI job on this machine. A program whose name ends in .js, .mjs, .cjs or .ts
runs with this Node; anything else is run as it is. What follows the program belongs to it. Behind
a : stands one more program, with options of its own: -n, -env and --wdir.

dregrun build compiles the native addon (g++, make, python3), where no package brings it.

  -n, -np, --np N       number of ranks (default 1)
      --timeout SECONDS end the job after this time, with status 124
                        (default: MPIEXEC_TIMEOUT, if it is set)
      --stuck SECONDS   say on stderr who waits for whom, and where in the program, once a
                        rank has waited so long; the job goes on (so does SIGUSR2 to dregrun)
  -H, --host A,B:4      the machines, with how many ranks each may have; a job on others than
                        this one is handed to srun (in a Slurm allocation) or mpiexec.hydra
      --hostfile FILE   the same from a file, a machine a line
  -N, -ppn, --ppn N     ranks on each machine
  -x  VAR[=VALUE]       give all ranks this variable; repeatable
  -genv VAR VALUE       the same
  -env VAR VALUE        give it to this program's ranks alone
      --wdir DIR        start the ranks in this directory

input and output
      --stdin WHO       whom the standard input goes to: a rank, all, or none (default 0)
      --tag-output      start each line of output with its rank
      --timestamp-output  start each line of output with the time
      --merge-stderr    what ranks write to stderr goes where their stdout goes
      --output-filename DIR  write each rank's output to DIR/rank.N/stdout and stderr
      --verbose         say on stderr what is done
      --summary         end with a table on stderr: time, processor, memory, messages by rank
      --json            end with the job's outcome on stderr, as one JSON object

processors and network
      --bind-to WHAT    core: each rank on a core of its own; none: on all
                        (default: core for 2 or more ranks when there are as many cores)
      --report-bindings say on stderr where each rank may run
      --oversubscribe   more ranks than cores: allowed without it, too
      --transport NAME  the transport between ranks (DREG_TRANSPORT)
      --shared-heap, --no-shared-heap  ranks have their large arrays in memory that they share
                        (default: not, or as DREG_SHARED_HEAP says)
      --heap-library    print the file that other launchers preload for that (LD_PRELOAD)

for those who look for a fault
      --debug [RANK]    have a debugger attached to this rank, or to each, before it runs;
                        the first one's port is 9229
      --doctor          say what works on this machine, what is missing, what to do
                        (with --json: as one JSON object on stdout)
      --help, --version
  --                    the next word is the program, and all behind it is its own

The status is the first failing rank's (128 + its signal's number), 0 when all went well.
`;

export const INIT_HELP = `usage: dregrun init [--json]

Writes a first program into the current folder: pi.ts, and the script pi in package.json, which starts
four ranks of it. package.json is made where there is none. Nothing is overwritten.

      --json            say what was written as one JSON object
      --help
`;

export const INIT_OPTIONS = {
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Of each program. */
export const PROGRAM_OPTIONS = {
  np: { type: 'string', short: 'n' },
  env: { type: 'string', multiple: true },
  wdir: { type: 'string' },
} as const;

/** Of the job: they stand before the first program. */
export const JOB_OPTIONS = {
  ...PROGRAM_OPTIONS,
  host: { type: 'string', short: 'H' },
  hostfile: { type: 'string' },
  ppn: { type: 'string', short: 'N' },
  timeout: { type: 'string' },
  stuck: { type: 'string' },
  x: { type: 'string', short: 'x', multiple: true },
  genv: { type: 'string', multiple: true },
  stdin: { type: 'string' },
  'tag-output': { type: 'boolean' },
  'timestamp-output': { type: 'boolean' },
  'merge-stderr': { type: 'boolean' },
  'output-filename': { type: 'string' },
  'bind-to': { type: 'string' },
  'report-bindings': { type: 'boolean' },
  oversubscribe: { type: 'boolean' },
  transport: { type: 'string' },
  'shared-heap': { type: 'boolean' },
  'no-shared-heap': { type: 'boolean' },
  'heap-library': { type: 'boolean' },
  debug: { type: 'string' },
  verbose: { type: 'boolean' },
  summary: { type: 'boolean' },
  json: { type: 'boolean' },
  doctor: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

/** A word as `parseArgs` reads it, and where it stood. */
export interface PlainWord {
  text: string;
  /** Of the last word that it was made of. */
  at: number;
}

/**
 * The same words as `parseArgs` reads them: other launchers' names that begin with one hyphen, options of
 * two values, and `--debug` with or without a value.
 */
export function plainWords(words: readonly string[]): PlainWord[] {
  const plain: PlainWord[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    let text = word;
    if (word === '-np' || word === '-ppn') text = `-${word}`;
    else if (word === '-genv' || word === '-env') {
      text = `-${word}=${words[at + 1] ?? ''}=${words[at + 2] ?? ''}`;
      at += 2;
    } else if (word === '--debug' && /^([0-9]+|all)$/.test(words[at + 1] ?? ''))
      text = `--debug=${words[++at]}`;
    else if (word === '--debug') text = '--debug=all';
    plain.push({ text, at });
  }
  return plain;
}
