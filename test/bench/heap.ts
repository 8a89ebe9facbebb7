/**
 * What the shared heap costs beside the C library's: `npm run bench:heap`.
 *
 * Each round runs every part in two processes, one started with the heap, one without; the figures are
 * medians of the ratios within a round. Times are processor time: other work of the machine is not in them.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { heapLibrary } from '../../native/shared-heap.ts';
import { positiveInteger, readCommandLine, someOf } from '../tools/command-line.ts';
import { benchEnvironment } from './environment.ts';
import { median } from './memory/timing.ts';

const ROUNDS = 5;
/** From here on the heap counts as worse. */
const WORSE = 1.03;
const PROGRAM = join(packageRoot(), 'dist/test/bench/heap/program.js');

/** By part: what is shown of it, with its unit. */
const FIGURES = {
  start: [['whole', 'ms', 'start of Node']],
  'compute 256 MiB': [
    ['touch', 'ms', 'first touch'],
    ['sequential', 'ms', 'in turn'],
    ['random', 'ms', 'at random'],
  ],
  'compute 1 GiB': [
    ['touch', 'ms', 'first touch'],
    ['sequential', 'ms', 'in turn'],
    ['random', 'ms', 'at random'],
  ],
  'churn 64 KiB': [['churn', 'ms', 'allocate, fill, drop']],
  'churn 1 MiB': [['churn', 'ms', 'allocate, fill, drop']],
  'churn 16 MiB': [['churn', 'ms', 'allocate, fill, drop']],
  'churn 64 MiB': [['churn', 'ms', 'allocate, fill, drop']],
  memory: [
    ['peak', 'MiB', '512 arrays of 1 MiB'],
    ['idle', 'MiB', 'once they are dropped'],
  ],
} as const satisfies Record<string, readonly (readonly [string, string, string])[]>;

type Part = keyof typeof FIGURES;
const PARTS = Object.keys(FIGURES) as Part[];

const HELP = `usage: npm run bench:heap -- [options]

  --rounds N      rounds that count (default ${ROUNDS})
  --only PART,…   these parts only: ${PARTS.join(', ')}
  --json          print one JSON object
  --help

heap/glibc above ${WORSE} is worse.
`;

type Figures = Record<string, number>;

function measure(part: Part, preload: string | undefined): Figures {
  const env = { ...benchEnvironment(), LD_PRELOAD: preload };
  return JSON.parse(execFileSync(process.execPath, [PROGRAM, part], { env, encoding: 'utf8' }));
}

interface Row {
  part: Part;
  what: string;
  unit: string;
  heap: number;
  glibc: number;
  ratio: number;
}

function rowsOf(part: Part, rounds: number): Row[] {
  const pairs = Array.from({ length: rounds }, (_, round) => {
    const both = [heapLibrary(), undefined];
    // Each is the first in every other round.
    if (round % 2) both.reverse();
    const measured = both.map((preload) => measure(part, preload));
    if (round % 2) measured.reverse();
    return measured;
  });
  return FIGURES[part].map(([name, unit, what]) => ({
    part,
    what,
    unit,
    heap: median(pairs.map(([heap]) => heap[name])),
    glibc: median(pairs.map(([, glibc]) => glibc[name])),
    ratio: median(pairs.map(([heap, glibc]) => heap[name] / glibc[name])),
  }));
}

function show({ part, what, unit, heap, glibc, ratio }: Row): string {
  const cells = [heap, glibc].map((value) => `${value.toFixed(0)} ${unit}`.padStart(10));
  const verdict = ratio > WORSE ? '  worse' : '';
  return `${part.padEnd(16)} ${what.padEnd(22)} ${cells.join(' ')} ${ratio.toFixed(2).padStart(6)}${verdict}`;
}

function main(): void {
  const settings = readCommandLine({
    name: 'bench:heap',
    help: HELP,
    options: {
      rounds: { type: 'string' },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
    read: ({ rounds, only, json }) => ({
      json,
      rounds: rounds === undefined ? ROUNDS : positiveInteger(rounds, 'rounds'),
      parts: only === undefined ? PARTS : someOf(PARTS, only, 'only'),
    }),
  });
  if (settings === null) return;
  const { rounds, parts, json } = settings;
  if (!json) console.log(`${''.padEnd(41)}heap      glibc  heap/glibc`);
  const rows = parts.flatMap((part) => {
    const found = rowsOf(part, rounds);
    if (!json) for (const row of found) console.log(show(row));
    return found;
  });
  if (json) console.log(JSON.stringify(rows));
}

main();
