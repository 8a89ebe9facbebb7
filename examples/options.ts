/** The command line that the examples share. */
import { parseArgs } from 'node:util';
import { MPI } from 'dreg-mpi';

/** 8 B to 4 MiB. */
const SIZES = [8, 64, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304];
/** A longer message than this is a typing error. */
const SIZE_MAX = 2 ** 30;

export interface Options {
  sizes: number[];
  modes: string[];
  /** Buffers from MPI.allocate(), which the ranks of a machine share, instead of Node's own. */
  allocate: boolean;
  json: boolean;
  /** Where to write a plot. */
  svg: string | undefined;
}

export interface Usage {
  program: string;
  purpose: string;
  /** Each mode, and what it does. */
  modes: Record<string, string>;
}

function help({ program, purpose, modes }: Usage): string {
  const lines = Object.entries(modes).map(([mode, text]) => `  ${mode.padEnd(12)} ${text}`);
  return `usage: dregrun -n 2 ${program}.js [options]

${purpose}

  --sizes 8,1024     bytes of a message (default: ${SIZES.join(',')})
  --modes ${Object.keys(modes).join(',')}
                     what to measure (default: all)
  --allocate         take the buffers from MPI.allocate()
  --transport NAME   the transport between the ranks (DREG_TRANSPORT)
  --json             print one JSON object a line
  --svg FILE         also write a plot, with both axes logarithmic
  --help

Modes:
${lines.join('\n')}
`;
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

function refuse(message: string): void {
  process.exitCode = 2;
  try {
    if (MPI.world.rank === 0) console.error(message);
    // The first rank that fails ends the job: not before rank 0 has said why.
    MPI.world.barrierSync();
  } catch {
    // MPI did not start, so nobody knows who is rank 0.
    console.error(message);
  }
}

function parse(words: string[], modes: string[]): Options | null {
  const { values } = parseArgs({
    args: words,
    options: {
      sizes: { type: 'string' },
      modes: { type: 'string' },
      allocate: { type: 'boolean', default: false },
      transport: { type: 'string' },
      json: { type: 'boolean', default: false },
      svg: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  // Read when MPI starts, which it does by its first use.
  if (values.transport !== undefined) process.env.DREG_TRANSPORT = values.transport;
  return {
    sizes: values.sizes === undefined ? SIZES : values.sizes.split(',').map(readSize),
    modes: values.modes === undefined ? modes : readModes(values.modes, modes),
    allocate: values.allocate,
    json: values.json,
    svg: values.svg,
  };
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
