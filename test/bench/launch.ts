/**
 * What launching costs: `npm run bench:launch`.
 *
 * Each round runs every case once, in turn, so that a change of the machine's mood meets all of
 * them; the figures are medians and quartiles of the ratios (and differences) within a round to a
 * bare `node -e 0`. The ranks join the job, meet in one fence, and finalize.
 */
import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { positiveInteger, readCommandLine } from '../tools/command-line.ts';
import { benchEnvironment, inPath } from './environment.ts';

const ROUNDS = 10;
const HYDRA = 'mpiexec.hydra';
const dregrun = join(packageRoot(), 'dist/bundle/dregrun.js');
const rank = join(packageRoot(), 'dist/test/bench/p2p/start.js');
const node = process.execPath;

const HELP = `usage: npm run bench:launch -- [options]

Starts jobs of 1, 2 and 32 ranks with dregrun and, where it is there, MPICH's ${HYDRA}, beside a
bare Node.

  --rounds N   rounds that count (default ${ROUNDS})
  --json       print one JSON object a line
  --help
`;

interface Case {
  name: string;
  words: string[];
}

const CASES: Case[] = [
  { name: 'node -e 0', words: [node, '-e', '0'] },
  { name: 'dregrun -n 1', words: [node, dregrun, '-n', '1', rank] },
  { name: 'dregrun -n 2', words: [node, dregrun, '-n', '2', rank] },
  { name: 'hydra -n 2', words: [HYDRA, '-n', '2', node, rank] },
  { name: 'dregrun -n 32', words: [node, dregrun, '-n', '32', rank] },
  { name: 'hydra -n 32', words: [HYDRA, '-n', '32', node, rank] },
];

/** Milliseconds from the start of a command to its end; a failure of it is a failure of ours. */
async function time(words: readonly string[]): Promise<number> {
  const started = performance.now();
  const child = spawn(words[0], words.slice(1), {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: benchEnvironment(),
  });
  const status = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', resolve);
  });
  const milliseconds = performance.now() - started;
  if (status !== 0) throw new Error(`${words.join(' ')} ended with status ${status}`);
  return milliseconds;
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const low = Math.floor(at);
  return sorted[low] + ((sorted[low + 1] ?? sorted[low]) - sorted[low]) * (at - low);
}

async function measure(cases: readonly Case[], rounds: number): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>(cases.map(({ name }) => [name, []]));
  for (const { words } of cases) await time(words); // Fills the page cache.
  for (let round = 0; round < rounds; round++)
    for (const { name, words } of cases) times.get(name)!.push(await time(words));
  return times;
}

/** One line a case; `added` is what it takes beyond a bare Node. */
function report(times: Map<string, number[]>, json: boolean): void {
  const [base] = times.values();
  for (const [name, values] of times) {
    const ratios = values.map((value, round) => value / base[round]);
    const added = values.map((value, round) => value - base[round]);
    const row = {
      case: name,
      milliseconds: Math.round(quantile(values, 0.5)),
      addedMilliseconds: Math.round(quantile(added, 0.5)),
      ratio: Number(quantile(ratios, 0.5).toFixed(2)),
      ratioQuartiles: [0.25, 0.75].map((part) => Number(quantile(ratios, part).toFixed(2))),
    };
    if (json) console.log(JSON.stringify(row));
    else
      console.log(
        `${name.padEnd(14)} ${String(row.milliseconds).padStart(6)} ms  bare node +${String(row.addedMilliseconds).padStart(5)} ms  x${row.ratio.toFixed(2).padStart(6)}  (${row.ratioQuartiles.join(' to ')})`,
      );
  }
}

async function main(): Promise<void> {
  const settings = readCommandLine({
    name: 'bench:launch',
    help: HELP,
    options: {
      rounds: { type: 'string', default: String(ROUNDS) },
      json: { type: 'boolean', default: false },
    },
    read: ({ rounds, json }) => ({ rounds: positiveInteger(rounds, 'rounds'), json }),
  });
  if (settings === null) return;
  const { rounds, json } = settings;
  const missing = inPath(HYDRA) ? [] : [HYDRA];
  if (missing.length > 0) console.error(`left out: ${missing} (Debian: mpich)`);
  const cases = CASES.filter(({ words }) => !missing.includes(words[0]));
  if (!json) console.log(`${cpus().length} CPUs, Node ${process.version}`);
  report(await measure(cases, rounds), json);
}

await main();
