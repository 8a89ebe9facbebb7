/** The command line that the examples share. */
import { parseArgs } from 'node:util';
import { MPI } from 'dreg-mpi';
import { refuse } from './command-line.ts';

/** 8 B to 4 MiB. */
const SIZES = [8, 64, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304];
/** How the program says it, and the variable that a rank reads when MPI starts. */
const SETTINGS = {
  transport: { variable: 'DREG_TRANSPORT', values: null },
  monitor: { variable: 'DREG_MONITOR', values: ['auto', 'dreg', 'userfaultfd', 'none'] },
  rndv: { variable: 'DREG_RNDV', values: ['auto', 'get', 'put', 'copy'] },
} as const;
/** A longer message is a typing error. */
const SIZE_MAX = 2 ** 30;

export interface Options {
  sizes: number[];
  modes: string[];
  /** Buffers from MPI.allocate(), which the ranks of a machine share, instead of Node's own. */
  allocate: boolean;
  /** A few exchanges, to see that it works. */
  quick: boolean;
  json: boolean;
  /** The transport, monitor and scheme that were chosen: 'verbs, none, get'; '' where none was. */
  setting: string;
  /** A file of JSON lines that an earlier run wrote: they are shown beside this one's. */
  beside: string | undefined;
  /** Where to write a plot. */
  svg: string | undefined;
}

export interface Usage {
  program: string;
  purpose: string;
  /** Each mode, and what it does. */
  modes: Record<string, string>;
  /** Columns of the table that need a word. */
  columns: Record<string, string>;
}

function help({ program, purpose, modes, columns }: Usage): string {
  return `usage: dregrun -n 2 ${program}.js [options]

${purpose}

  --sizes 8,1024     bytes of a message (default: ${SIZES.join(',')})
  --modes ${Object.keys(modes).join(',')}
                     what to measure (default: all)
  --quick            a few exchanges only, to see that it works: no figures to go by
  --allocate         take the buffers from MPI.allocate()
  --transport NAME   the transport between the ranks (DREG_TRANSPORT): verbs is RDMA
  --monitor NAME     the monitor of the registration cache (DREG_MONITOR): dreg,
                     userfaultfd; with none each message registers its memory
  --rndv SCHEME      how large messages go (DREG_RNDV): get, put, copy
  --json             print one JSON object a line
  --beside FILE      show what an earlier run printed with --json beside this run
  --svg FILE         also write a plot, with both axes logarithmic
  --help

Modes:
${explained(modes)}

Columns:
${explained(columns)}
`;
}

/** Words with what they mean, one a line. */
function explained(words: Record<string, string>): string {
  const width = Math.max(...Object.keys(words).map((word) => word.length));
  const lines = Object.entries(words).map(([word, text]) => `  ${word.padEnd(width)}  ${text}`);
  return lines.join('\n');
}

/**
 * Every rank gets the same arguments and reads them alike; rank 0 speaks for all.
 * @returns null where there is nothing to measure: help was asked for, or the arguments are wrong
 */
export function readOptions(words: string[], usage: Usage): Options | null {
  let options: Options | null = null;
  let error = '';
  try {
    options = parse(words, Object.keys(usage.modes));
    // This asks who we are in the job, and so starts MPI.
    if (options !== null && MPI.world.size !== 2) error = 'it takes two ranks: dregrun -n 2';
  } catch (cause) {
    error = (cause as Error).message;
  }
  if (error !== '') {
    refuse(`${usage.program}: ${error}; see --help`);
    return null;
  }
  if (options === null && MPI.world.rank === 0) process.stdout.write(help(usage));
  return options;
}

function parse(words: string[], modes: string[]): Options | null {
  const { values } = parseArgs({
    args: words,
    options: {
      sizes: { type: 'string' },
      modes: { type: 'string' },
      allocate: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      transport: { type: 'string' },
      monitor: { type: 'string' },
      rndv: { type: 'string' },
      beside: { type: 'string' },
      json: { type: 'boolean', default: false },
      svg: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  return {
    sizes: values.sizes === undefined ? SIZES : values.sizes.split(',').map(readSize),
    modes: values.modes === undefined ? modes : readModes(values.modes, modes),
    allocate: values.allocate,
    quick: values.quick,
    json: values.json,
    setting: applySettings(values),
    beside: values.beside,
    svg: values.svg,
  };
}

/** Sets what MPI reads when it starts, which it does by its first use. */
function applySettings(given: Record<string, unknown>): string {
  const chosen: string[] = [];
  for (const [name, { variable, values }] of Object.entries(SETTINGS)) {
    const value = given[name];
    if (typeof value !== 'string') continue;
    if (values !== null && !(values as readonly string[]).includes(value))
      throw new Error(`--${name}: "${value}" is none of ${values.join(', ')}`);
    process.env[variable] = value;
    chosen.push(value);
  }
  return chosen.join(', ');
}

function readSize(text: string): number {
  const bytes = Number(text);
  if (/^\d+$/.test(text) && bytes <= SIZE_MAX) return bytes;
  throw new Error(`--sizes: "${text}" is no number of bytes up to ${SIZE_MAX}`);
}

function readModes(text: string, modes: string[]): string[] {
  const chosen = text.split(',');
  const unknown = chosen.find((mode) => !modes.includes(mode));
  if (unknown === undefined) return chosen;
  throw new Error(`--modes: "${unknown}" is none of ${modes.join(', ')}`);
}
