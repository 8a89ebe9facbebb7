/**
 * Heat in a plate: each rank has a part of the field, and exchanges its border with the ranks beside it
 * before each step.
 *
 *     npm run heat2d -- --png heat.png
 *     dregrun -n 4 dist/examples/heat2d.js --size 1024 --steps 2000 --png heat.png
 *
 * The field is the same, in every bit, with any number of ranks.
 */
import { writeFileSync } from 'node:fs';
import { type CartCommunicator, dimsCreate, MAX, MPI, type Strided } from 'dreg-mpi';
import { readCommandLine, wholeNumber } from './command-line.ts';
import { glow, png } from './png.ts';
import { Report, showScaled } from './report.ts';

const HELP = `usage: dregrun -n 4 heat2d.js [options]

Heat spreads in a square plate, whose rim is kept cold.

  --size 512    cells along a side
  --steps 1000  steps
  --png FILE    write a picture of the field at the end
  --json        print one JSON object a line
  --help

Columns:
  step    how many steps were done
  change  the most that a cell has changed in the last step
  cells   cells computed a second, by all ranks
`;

/** How much of its neighbours' difference a cell takes over in a step; stable up to 1/4. */
const RATE = 0.2;
const REPORTS = 10;
/** Where the plate is hot at first: row, column and radius as parts of the side. */
const SPOTS = [
  [0.3, 0.3, 0.14],
  [0.66, 0.42, 0.2],
  [0.4, 0.76, 0.1],
] as const;

type Row = { step: number; change: number; cellsPerSecond: number };

const COLUMNS = {
  step: (row: Row) => `${row.step}`,
  change: (row: Row) => row.change.toExponential(3),
  cells: (row: Row) => showScaled(row.cellsPerSecond, ['/s', 'k/s', 'M/s', 'G/s']),
};

const settings = readCommandLine(
  'heat2d',
  HELP,
  {
    size: { type: 'string', default: '512' },
    steps: { type: 'string', default: '1000' },
    png: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
  (given) => ({
    size: wholeNumber(given, 'size', MPI.world.size),
    steps: wholeNumber(given, 'steps', 1),
    file: given.png as string | undefined,
    json: given.json as boolean,
  }),
);

const isHot = (y: number, x: number) =>
  SPOTS.some(([row, column, radius]) => Math.hypot(y - row, x - column) < radius) ? 1 : 0;

async function simulate({ size, steps, file, json }: NonNullable<typeof settings>): Promise<void> {
  const cart = (await MPI.world.cart(dimsCreate(MPI.world.size, 2)))!;
  const [[top, rows], [left, columns]] = partOf(cart, size, cart.coords);
  // A border of one cell around the part: what the neighbours have there, or the cold rim.
  const width = columns + 2;
  let [field, next] = [0, 0].map(() => new Float64Array((rows + 2) * width));
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      field[(row + 1) * width + column + 1] = isHot((top + row) / size, (left + column) / size);
  // Made once for each of the two fields, and started before every other step.
  const exchanges = [field, next].map((one) => borderExchange(cart, one, rows, columns));

  const every = Math.ceil(steps / REPORTS);
  const report = cart.rank === 0 ? new Report<Row>(COLUMNS, Math.ceil(steps / every), json) : null;
  let [started, reported] = [performance.now(), 0];
  for (let step = 1; step <= steps; step++) {
    exchanges[(step - 1) % 2].runSync();
    const mine = diffuse(field, next, rows, columns);
    [field, next] = [next, field];
    if (step % every !== 0 && step !== steps) continue;
    const change = cart.allreduceSync(mine, MAX);
    const seconds = (performance.now() - started) / 1000;
    const cellsPerSecond = Math.round((size ** 2 * (step - reported)) / seconds);
    report?.add({ step, change, cellsPerSecond });
    [started, reported] = [performance.now(), step];
  }
  if (file !== undefined) await draw(cart, field, size, file);
}

/** The rows and columns of a rank's part: the first, and how many. */
function partOf({ dims }: CartCommunicator, size: number, coords: readonly number[]) {
  return coords.map((at, i) => {
    const first = Math.floor((size * at) / dims[i]);
    return [first, Math.floor((size * (at + 1)) / dims[i]) - first] as const;
  });
}

function borderExchange(cart: CartCommunicator, data: Float64Array, rows: number, columns: number) {
  const width = columns + 2;
  const row = (at: number) => data.subarray(at * width + 1, at * width + 1 + columns);
  const column = (at: number): Strided<Float64Array> => {
    return { data, shape: [rows], stride: [width], offset: width + at };
  };
  return cart.persistentNeighbor.alltoallv(
    [row(1), row(rows), column(1), column(columns)],
    [row(0), row(rows + 1), column(0), column(columns + 1)],
  );
}

/** One step; the most that a cell has changed. */
function diffuse(field: Float64Array, next: Float64Array, rows: number, columns: number): number {
  const width = columns + 2;
  let most = 0;
  for (let row = 1; row <= rows; row++)
    for (let at = row * width + 1; at <= row * width + columns; at++) {
      const around = field[at - width] + field[at + width] + field[at - 1] + field[at + 1];
      const change = RATE * (around - 4 * field[at]);
      next[at] = field[at] + change;
      most = Math.max(most, Math.abs(change));
    }
  return most;
}

/** Rank 0 gets all parts, each straight to its place in the whole field. */
async function draw(cart: CartCommunicator, field: Float64Array, size: number, file: string) {
  const whole = new Float64Array(cart.rank === 0 ? size ** 2 : 0);
  const parts = Array.from({ length: cart.size }, (_, one): Strided<Float64Array> => {
    const [[top, rows], [left, columns]] = partOf(cart, size, cart.coordsOf(one));
    return { data: whole, shape: [rows, columns], stride: [size, 1], offset: top * size + left };
  });
  const [[, rows], [, columns]] = partOf(cart, size, cart.coords);
  const width = columns + 2;
  const mine = { data: field, shape: [rows, columns], stride: [width, 1], offset: width + 1 };
  await cart.gatherv(mine, cart.rank === 0 ? parts : null);
  if (cart.rank !== 0) return;
  const picture = png(size, size, (x, y) => glow(whole[y * size + x]));
  writeFileSync(file, picture);
}

if (settings !== null) await simulate(settings);
