/**
 * Collective operations beside other MPI libraries: `npm run bench:collectives -- --peers FILE`. Everything is compared within a
 * round, in turns, as bench:p2p does it, with the machine's floor before and after each turn.
 */
import { positiveInteger, readCommandLine } from '../tools/command-line.ts';
import { buildFloor, run, runJob } from './p2p/programs.ts';
import { floorHeld, median, spread } from './p2p/spread.ts';

const OPERATIONS = ['barrier', 'bcast', 'allreduce', 'allgather', 'alltoall'];
const SIZES = [8, 1024, 65536, 1048576];
const MEMORIES = ['plain', 'allocated'] as const;
/** By which part the floor may vary while things are compared. */
const FLOOR_TOLERANCE = 0.15;

const HELP = `usage: npm run bench:collectives -- [options]

  --peers FILE           a program to compare with, called as: FILE OPERATION RANKS BYTES...
                         It prints a JSON object a line: {"peer": NAME, "bytes": N, "ns": T}
  --operations a,b       of barrier, bcast, reduce, allreduce, gather, scatter, allgather, alltoall,
                         reduceScatterBlock, scan (default ${OPERATIONS.join(',')})
  --ranks 2,4            (default 2,4,8)
  --sizes 8,1024         bytes that one rank contributes, multiples of 8 (default ${SIZES.join(',')})
  --rounds N             (default 5)
  --json                 one JSON object a line
  --help

Memory is plain arrays, and buffers of MPI.allocate. "held" is the number of rounds in which the floor stayed where it was.
`;

interface Figure {
  readonly who: string;
  readonly bytes: number;
  readonly ns: number;
}

function figures(text: string, who?: string): Figure[] {
  const rows = text.split('\n').filter((line) => line.startsWith('{'));
  return rows
    .map((line) => JSON.parse(line) as { peer?: string; bytes: number; ns: number })
    .map(({ peer, bytes, ns }) => ({ who: who ?? peer ?? '', bytes, ns }));
}

async function main(): Promise<void> {
  const settings = readCommandLine({
    name: 'bench:collectives',
    help: HELP,
    options: {
      peers: { type: 'string' },
      operations: { type: 'string', default: OPERATIONS.join(',') },
      ranks: { type: 'string', default: '2,4,8' },
      sizes: { type: 'string', default: SIZES.join(',') },
      rounds: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
    },
    read: ({ peers, operations, ranks, sizes, rounds, json }) => ({
      peers,
      json,
      operations: operations.split(','),
      ranks: ranks.split(',').map((count) => positiveInteger(count, 'ranks')),
      sizes: sizes.split(',').map((bytes) => positiveInteger(bytes, 'sizes')),
      rounds: positiveInteger(rounds, 'rounds'),
    }),
  });
  if (settings === null) return;
  const floor = await buildFloor();
  try {
    for (const operation of settings.operations)
      for (const ranks of settings.ranks)
        await compare({ ...settings, operation, count: ranks, floor });
  } finally {
    floor.remove();
  }
}

interface Comparing {
  readonly peers: string | undefined;
  readonly sizes: readonly number[];
  readonly rounds: number;
  readonly json: boolean;
  readonly operation: string;
  readonly count: number;
  readonly floor: { measure(): Promise<number> };
}

/** One operation with so many ranks: all rounds, then a line for each size and memory. */
async function compare(all: Comparing): Promise<void> {
  const { peers, rounds, operation, count, floor } = all;
  const sizes = (operation === 'barrier' ? [8] : all.sizes).map(String);
  const taken: { floors: number[]; figures: Figure[] }[] = [];
  for (let round = 0; round < rounds; round++) {
    const floors = [await floor.measure()];
    const found: Figure[] = [];
    for (const memory of MEMORIES) {
      const words = [operation, memory, ...sizes];
      found.push(...figures(await runJob(count, 'test/bench/collectives/calls.js', words), memory));
      floors.push(await floor.measure());
    }
    if (peers !== undefined) {
      found.push(...figures(await run(peers, [operation, String(count), ...sizes])));
      floors.push(await floor.measure());
    }
    taken.push({ floors, figures: found });
  }
  const held = taken.filter(({ floors }) => floorHeld(floors, FLOOR_TOLERANCE));
  const counted = held.length > 0 ? held : taken;
  for (const bytes of sizes.map(Number))
    for (const memory of MEMORIES) report(all, bytes, memory, counted, held.length);
}

function report(
  { operation, count, json }: Comparing,
  bytes: number,
  memory: (typeof MEMORIES)[number],
  counted: readonly { floors: number[]; figures: Figure[] }[],
  held: number,
): void {
  const ours: number[] = [];
  const ratios: number[] = [];
  for (const { figures: found } of counted) {
    const here = found.filter((figure) => figure.bytes === bytes);
    const mine = here.find(({ who }) => who === memory)?.ns;
    const others = here.filter(({ who }) => !MEMORIES.includes(who as never)).map(({ ns }) => ns);
    if (mine === undefined) continue;
    ours.push(mine);
    if (others.length > 0) ratios.push(mine / Math.min(...others));
  }
  if (ours.length === 0) return;
  const floor = median(counted.flatMap(({ floors }) => floors));
  const row = { operation, ranks: count, bytes, memory, ns: spread(ours), floor, held };
  const ratio = ratios.length > 0 ? spread(ratios) : null;
  if (json) process.stdout.write(`${JSON.stringify({ ...row, ratio })}\n`);
  else {
    const beside =
      ratio === null
        ? ''
        : `  ${ratio.median.toFixed(2)}x the best peer (${ratio.least.toFixed(2)}..${ratio.most.toFixed(2)})`;
    process.stdout.write(
      `${operation} ${count} ranks ${bytes} B ${memory}: ${row.ns.median.toFixed(0)} ns (${row.ns.least.toFixed(0)}..${row.ns.most.toFixed(0)}), floor ${floor.toFixed(0)}, held ${held}${beside}\n`,
    );
  }
}

await main();
