/**
 * Requests, matching, persistent operations, objects and layouts: `npm run bench:operations`. Beside other MPI
 * libraries (operations/peer.c), or beside another way to do it in the same job. All take turns, round by round,
 * and what counts is the median of the rounds' ratios.
 */
import { positiveInteger, readCommandLine, UsageError } from '../tools/command-line.ts';
import type { OurFigure } from './operations/ours.ts';
import { buildPeers, type Peer } from './operations/peers.ts';
import { jsonLines, runJob } from './p2p/programs.ts';
import { type Spread, spread } from './p2p/spread.ts';

interface Target {
  what: string;
  /** Of ours, by the best peer or by the other way. */
  most: number;
  /** The other way; null: the best peer. */
  by: string | null;
}

const TARGETS: Record<string, Target> = {
  persistent: {
    what: 'half round trip, a persistent pair',
    most: 1,
    by: 'sendSync and recvSync',
  },
  waitAny: { what: 'a message of 1,000, waitAny over all', most: 1, by: null },
  posted: { what: 'a message of 1,000, all posted, in order', most: 1, by: null },
  'posted-reversed': { what: 'the same, sent in reverse', most: 1, by: null },
  unexpected: { what: 'a message of 1,000 unexpected, in order', most: 1, by: null },
  'unexpected-reversed': { what: 'the same, received in reverse', most: 1, by: null },
  object: { what: 'half round trip, an object of 1 KiB', most: 1.5, by: 'codec and buffer' },
  'object-with-array': {
    what: 'half round trip, an object with 1 MiB of Float32Array',
    most: 1.2,
    by: 'the array alone, into new memory',
  },
  column: { what: 'half round trip, a column of 1,000 doubles', most: 1, by: null },
};
const ROUNDS = 5;

const HELP = `usage: npm run bench:operations -- [options]

  --rounds N             rounds (default ${ROUNDS})
  --only NAME,NAME       some of them: ${Object.keys(TARGETS).join(', ')}
  --json                 one JSON object a line
  --check                end with status 1 where a target was missed
  --help

Open MPI and MPICH are compared with where they are installed.
`;

function readSettings() {
  return readCommandLine({
    name: 'bench:operations',
    help: HELP,
    options: {
      rounds: { type: 'string', default: String(ROUNDS) },
      only: { type: 'string', default: Object.keys(TARGETS).join(',') },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
    },
    read: ({ rounds, only, json, check }) => ({
      rounds: positiveInteger(rounds, 'rounds'),
      measures: only.split(',').map(checkMeasure),
      json,
      check,
    }),
  });
}

function checkMeasure(name: string): string {
  if (name in TARGETS) return name;
  throw new UsageError(`--only: "${name}" is none of ${Object.keys(TARGETS).join(', ')}`);
}

/** What one round says of a measure. */
interface Comparison {
  measure: string;
  ns: number;
  other: number;
  by: string;
  ratio: number;
}

async function runRound(measures: readonly string[], peers: readonly Peer[]) {
  const theirs = measures.filter((name) => TARGETS[name].by === null);
  const text = await runJob(2, 'test/bench/operations/ours.js', measures);
  const ours = jsonLines(text) as unknown as OurFigure[];
  const figures: [string, Map<string, number>][] = [];
  if (theirs.length > 0)
    for (const { name, measure } of peers) figures.push([name, await measure(theirs)]);
  return ours.flatMap((figure) => compare(figure, figures));
}

/** Ours beside the fastest; nothing where there is no peer. */
function compare(
  { measure, ns, by: other, ratio }: OurFigure,
  figures: readonly [string, Map<string, number>][],
): Comparison[] {
  const { by } = TARGETS[measure];
  if (by !== null && other !== undefined && ratio !== undefined)
    return [{ measure, ns, other, by, ratio }];
  let best: Comparison[] = [];
  for (const [name, found] of figures) {
    const time = found.get(measure);
    if (time !== undefined && (best.length === 0 || time < best[0].other))
      best = [{ measure, ns, other: time, by: name, ratio: ns / time }];
  }
  return best;
}

interface Verdict extends Target {
  measure: string;
  by: string;
  rounds: number;
  ns: Spread;
  other: Spread;
  ratio: Spread;
  met: boolean;
}

function verdictOf(measure: string, rounds: readonly Comparison[]): Verdict {
  const target = TARGETS[measure];
  const ratio = spread(rounds.map((each) => each.ratio));
  return {
    ...target,
    measure,
    by: rounds[0].by,
    rounds: rounds.length,
    ns: spread(rounds.map(({ ns }) => ns)),
    other: spread(rounds.map(({ other }) => other)),
    ratio,
    met: ratio.median <= target.most,
  };
}

function show({ what, by, most, ns, other, ratio, met }: Verdict): string {
  return [
    what.padEnd(56),
    `${ns.median.toFixed(0)} ns`.padStart(11),
    `  ${by} ${other.median.toFixed(0)} ns`.padEnd(48),
    `${ratio.median.toFixed(2)} (${ratio.least.toFixed(2)} to ${ratio.most.toFixed(2)})`.padStart(
      22,
    ),
    `  ${met ? 'met' : 'MISSED'}: at most ${most}`,
  ].join('');
}

async function main(): Promise<void> {
  const settings = readSettings();
  if (settings === null) return;
  const { rounds, measures, json, check } = settings;
  const { peers, remove } = await buildPeers();
  const all: Comparison[] = [];
  try {
    for (let round = 0; round < rounds; round++) all.push(...(await runRound(measures, peers)));
  } finally {
    remove();
  }
  const found = measures.flatMap((measure) => {
    const own = all.filter((each) => each.measure === measure);
    return own.length === 0 ? [] : [verdictOf(measure, own)];
  });
  for (const verdict of found) console.log(json ? JSON.stringify(verdict) : show(verdict));
  if (check && found.some(({ met }) => !met)) process.exitCode = 1;
}

await main();
