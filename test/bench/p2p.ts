/**
 * Point-to-point messages beside other MPI libraries: `npm run bench:p2p -- --peers FILE`.
 *
 * Times of one machine at one moment say little, so everything is compared within a round, against
 * the peers and against the machine's floor (p2p/floor.c), and the figures are medians of such ratios.
 */
import { cpus } from 'node:os';
import { positiveInteger, readCommandLine, UsageError } from '../tools/command-line.ts';
import { overBySignal } from './environment.ts';
import { type Cost, measureCosts } from './p2p/costs.ts';
import { buildFloor, MEASURES } from './p2p/programs.ts';
import { type Comparison, type Plan, runRound } from './p2p/rounds.ts';
import type { Spread } from './p2p/spread.ts';
import { type Verdict, verdicts } from './p2p/verdict.ts';

const ROUNDS = 7;
const SIZES = [8, 64, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304];
/** By which part the floor may vary while things are compared. */
const FLOOR_TOLERANCE = 0.15;
/** Parts of rounds may be dropped; after this many times the rounds asked for it is enough. */
const PATIENCE = 3;

const HELP = `usage: npm run bench:p2p -- [options]

  --peers FILE           a program to compare with, called as: FILE latency BYTES..., FILE rate BYTES...
                         It prints a JSON object a line: {"peer": NAME, "bytes": N, "ns": T}, with T
                         the half round trip of a ping-pong between two pinned processes, or the time
                         for each message of windows of 64 with an acknowledgement.
  --rounds N             rounds that count (default ${ROUNDS})
  --sizes 8,1024         bytes of a message (default ${SIZES.join(',')})
  --floor-tolerance X    how far the floor may move within what counts (default ${FLOOR_TOLERANCE})
  --no-costs             leave out start-up and memory
  --json                 one JSON object a line
  --check                end with status 1 where a target was missed or nothing counted
  --help

For what launching costs see npm run bench:launch.
`;

interface Settings {
  peers: string | undefined;
  rounds: number;
  sizes: number[];
  tolerance: number;
  costs: boolean;
  json: boolean;
  check: boolean;
}

function readSettings(): Settings | null {
  return readCommandLine({
    name: 'bench:p2p',
    help: HELP,
    options: {
      peers: { type: 'string' },
      rounds: { type: 'string', default: String(ROUNDS) },
      sizes: { type: 'string', default: SIZES.join(',') },
      'floor-tolerance': { type: 'string', default: String(FLOOR_TOLERANCE) },
      'no-costs': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
    },
    read: ({ peers, rounds, sizes, json, check, ...rest }) => ({
      peers,
      rounds: positiveInteger(rounds, 'rounds'),
      sizes: sizes.split(',').map((size) => positiveInteger(size, 'sizes')),
      tolerance: readTolerance(rest['floor-tolerance']),
      costs: !rest['no-costs'],
      json,
      check,
    }),
  });
}

function readTolerance(text: string): number {
  const value = Number(text);
  if (text !== '' && value >= 0) return value;
  throw new UsageError(`--floor-tolerance: "${text}" is no number from 0 on`);
}

function showSpread({ median, least, most }: Spread): string {
  return `${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
}

function showVerdict({ measure, bytes, rounds, ns, perPeer, perFloor, targets }: Verdict): string {
  const said = targets.map(({ what, most, value, met }) =>
    met ? `met: ${what} at most ${most}` : `MISSED: ${what} ${value.toFixed(3)}, at most ${most}`,
  );
  return [
    MEASURES[measure].padEnd(42),
    `${bytes} B`.padStart(10),
    `${ns.median.toFixed(0)} ns`.padStart(11),
    (perPeer === undefined ? '' : showSpread(perPeer)).padStart(24),
    showSpread(perFloor).padStart(30),
    `  ${rounds} rounds`,
    said.length > 0 ? `  ${said.join('; ')}` : '',
  ].join('');
}

function showCost({ what, value, unit, most, met }: Cost): string {
  return `${what.padEnd(58)} ${value} ${unit}  ${met ? 'met' : 'MISSED'}: at most ${most}`;
}

/** Rounds until each measure at each size has the number that was asked for, or patience ends. */
async function runRounds(plan: Plan, rounds: number): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (let round = 1; round <= rounds * PATIENCE && !plan.isOver(); round++) {
    const { kept, dropped } = await runRound(plan);
    comparisons.push(...kept);
    if (dropped > 0) console.error(`round ${round}: the floor moved, ${dropped} part(s) dropped`);
    const found = verdicts(comparisons);
    if (found.length === plan.sizes.length * 2 + 3 && found.every((v) => v.rounds >= rounds)) break;
  }
  return comparisons;
}

async function main(): Promise<void> {
  const settings = readSettings();
  if (settings === null) return;
  const { json } = settings;
  if (settings.peers === undefined)
    console.error('no peers to compare with: give a runner by --peers FILE (see --help)');
  const floor = await buildFloor();
  let found: Verdict[];
  try {
    const plan = { ...settings, measureFloor: floor.measure, isOver: overBySignal() };
    found = verdicts(await runRounds(plan, settings.rounds));
  } finally {
    floor.remove();
  }
  if (!json)
    console.log(
      `${cpus().length} CPUs, Node ${process.version}; ratios are medians over rounds (least to most)\n` +
        `${''.padEnd(42)}${'size'.padStart(10)}${'ours'.padStart(11)}${'ours/best peer'.padStart(24)}${'ours/floor'.padStart(30)}`,
    );
  for (const verdict of found) console.log(json ? JSON.stringify(verdict) : showVerdict(verdict));
  const costs = settings.costs ? await measureCosts() : [];
  for (const cost of costs) console.log(json ? JSON.stringify(cost) : showCost(cost));
  const missed = [...found.flatMap(({ targets }) => targets), ...costs].some(({ met }) => !met);
  if (found.length === 0) console.error('the floor moved in every round: nothing counts');
  if (settings.check && (missed || found.length === 0)) process.exitCode = 1;
}

await main();
