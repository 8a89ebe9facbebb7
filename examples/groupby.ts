/**
 * Adds up values by their keys: each rank has a share of the rows, deals them out to the ranks that own their
 * keys (a *shuffle*, by `alltoallv`), and adds up what it gets. Beside it the same by `child_process`.
 *
 *     npm run groupby
 *     dregrun -n 4 dist/examples/groupby.js --rows 1000000 --svg groupby.svg
 */
import { writeFileSync } from 'node:fs';
import { type Communicator, MPI, Request, SUM } from 'dreg-mpi';
import { readCommandLine, wholeNumber } from './command-line.ts';
import { type Grouped, groupByIpc } from './groupby-ipc.ts';
import { plot } from './plot.ts';
import { Report, showRate } from './report.ts';
import { Groups, makeRows, partition, type Table } from './rows.ts';

const HELP = `usage: dregrun -n 2 groupby.js [options]

Rows of a key (Uint32) and a value (Float64) are added up by their keys: by the ranks, which exchange
them with alltoallv, and by as many processes, which exchange them over child_process IPC.

  --rows 10000,100000,1000000
               rows of all ranks together
  --ways alltoallv,ipc
               who does it
  --repeat 5   how often; the fastest counts
  --json       print one JSON object a line
  --svg FILE   also write a plot, with both axes logarithmic
  --help

Columns:
  rows    of all ranks together
  groups  different keys
  check   the same where all sums are
  speed   rows a second, from rows that lie as they were made to the sums
`;

const WAYS = ['alltoallv', 'ipc'];

/** What a rank has done that waited for rank 0. */
const NOTHING: Grouped = { groups: 0, check: 0, ms: Number.POSITIVE_INFINITY };

type Row = Grouped & { way: string; rows: number; rowsPerSecond: number };

const COLUMNS = {
  way: (row: Row) => row.way,
  rows: (row: Row) => `${row.rows}`,
  groups: (row: Row) => `${row.groups}`,
  check: (row: Row) => `${row.check}`,
  speed: (row: Row) => showRate(row.rowsPerSecond),
};

/** Gives each rank the rows whose keys it owns. */
async function shuffle(comm: Communicator, mine: Table): Promise<Table> {
  const { keys, values, counts } = partition(mine, comm.size);
  const incoming = await comm.alltoall(counts);
  const count = incoming.reduce((sum, one) => sum + one, 0);
  const got = { keys: new Uint32Array(count), values: new Float64Array(count) };
  // Both are under way at once.
  await Request.all([
    comm.alltoallv({ data: keys, counts }, { data: got.keys, counts: incoming }),
    comm.alltoallv({ data: values, counts }, { data: got.values, counts: incoming }),
  ]);
  return got;
}

async function groupBy(comm: Communicator, rows: number): Promise<Grouped> {
  const mine = makeRows(rows, comm.rank, comm.size);
  await comm.barrier();
  const started = performance.now();
  const sums = new Groups();
  sums.add(await shuffle(comm, mine));
  await comm.barrier();
  const ms = performance.now() - started;
  const { groups, check } = sums.result;
  return { groups: await comm.allreduce(groups, SUM), check: await comm.allreduce(check, SUM), ms };
}

const settings = readCommandLine(
  'groupby',
  HELP,
  {
    rows: { type: 'string', default: '10000,100000,1000000' },
    ways: { type: 'string', default: WAYS.join(',') },
    repeat: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    svg: { type: 'string' },
  },
  (given) => {
    const ways = String(given.ways).split(',');
    const unknown = ways.find((way) => !WAYS.includes(way));
    if (unknown !== undefined)
      throw new Error(`--ways: "${unknown}" is none of ${WAYS.join(', ')}`);
    return {
      sizes: String(given.rows)
        .split(',')
        .map((rows) => wholeNumber({ rows }, 'rows', 1)),
      ways,
      repeat: wholeNumber(given, 'repeat', 1),
      json: given.json as boolean,
      svg: given.svg as string | undefined,
    };
  },
);

/** The fastest of some runs; over IPC rank 0 is the parent, and the others wait. */
async function measure(way: string, rows: number, repeat: number): Promise<Row> {
  const { world } = MPI;
  const runs: Grouped[] = [];
  for (let i = 0; i < repeat; i++) {
    if (way === 'alltoallv') runs.push(await groupBy(world, rows));
    else if (world.rank === 0) runs.push(await groupByIpc(rows, world.size));
    await world.barrier();
  }
  const [best = NOTHING] = runs.sort((one, other) => one.ms - other.ms);
  return { ...best, way, rows, rowsPerSecond: Math.round((rows / best.ms) * 1000) };
}

async function main({ sizes, ways, repeat, json, svg }: NonNullable<typeof settings>) {
  const first = MPI.world.rank === 0;
  const report = first ? new Report<Row>(COLUMNS, sizes.length * ways.length, json) : null;
  const series = ways.map((way) => ({ name: way, points: [] as { x: number; y: number }[] }));
  for (const { name, points } of series)
    for (const size of sizes) {
      const row = await measure(name, size, repeat);
      report?.add(row);
      points.push({ x: size, y: row.rowsPerSecond });
    }
  if (svg === undefined || !first) return;
  const x = { title: 'rows', show: (rows: number) => `${rows}` };
  const title = `Sums by key, ${MPI.world.size} processes`;
  writeFileSync(svg, plot({ title, y: 'rows a second', show: showRate, x, series }));
}

if (settings !== null) await main(settings);
