/**
 * Learns to read digits: each rank computes the gradient of its share of a batch, and an `allreduce` with
 * AVG gives all ranks that of the whole batch. So all ranks have the same network after each step.
 *
 *     npm run train
 *     dregrun -n 2 dist/examples/train.js --epochs 50 --svg loss.svg
 *
 * The loss is the same, in every bit, on every run with the same number of ranks: a reduction adds in the
 * order of the ranks, whatever comes first.
 */
import { writeFileSync } from 'node:fs';
import { AVG, MPI, SUM } from 'dreg-mpi';
import { readCommandLine, wholeNumber } from './command-line.ts';
import { readDigits } from './digits.ts';
import { Network } from './network.ts';
import { plot } from './plot.ts';
import { randomFrom } from './random.ts';
import { Report } from './report.ts';

const HELP = `usage: dregrun -n 2 train.js [options]

Trains a network of two layers on 1,440 digits of 8 x 8 pixels, and tests it on 357 others.

  --epochs 30   how often it sees all digits
  --hidden 96   neurons of the hidden layer
  --batch 240   digits for each step, of all ranks together: a divisor of 1,440, and a multiple
                of the number of ranks
  --json        print one JSON object a line
  --svg FILE    also write a plot of the loss, with both axes logarithmic
  --help

Columns:
  loss   the mean over the digits of the epoch
  right  of the digits that it has not seen, how many it reads right
  time   that the epoch took, in milliseconds
`;

const TRAINED = 1440;
const LEARNING_RATE = 0.2;
const MOMENTUM = 0.9;
const SEED = 1;

type Row = { epoch: number; loss: number; right: number; ms: number };

const COLUMNS = {
  epoch: (row: Row) => `${row.epoch}`,
  loss: (row: Row) => row.loss.toFixed(6),
  right: (row: Row) => `${(100 * row.right).toFixed(1)} %`,
  time: (row: Row) => `${row.ms.toFixed(1)} ms`,
};

/** This rank's share of a list: every `size`-th. */
function shareOf<Item>(list: readonly Item[]): Item[] {
  const { rank, size } = MPI.world;
  return list.filter((_, i) => i % size === rank);
}

function train({ epochs, hidden, batch, json, svg }: NonNullable<typeof settings>): void {
  const { world } = MPI;
  const { images, labels } = readDigits();
  const chance = randomFrom(SEED);
  const random = () => chance() / 2 ** 32;
  const network = new Network(hidden, random);
  const { weights, gradient } = network;
  const velocity = new Float32Array(weights.length);
  const average = world.persistent.allreduce(gradient, AVG);
  const order = Array.from({ length: TRAINED }, (_, i) => i);
  const unseen = images.map((_, i) => i).slice(TRAINED);
  const report = world.rank === 0 ? new Report<Row>(COLUMNS, epochs, json) : null;
  const rows: Row[] = [];
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const started = performance.now();
    let loss = 0;
    // Every rank shuffles alike.
    for (let i = TRAINED - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (let first = 0; first < TRAINED; first += batch) {
      gradient.fill(0);
      const mine = shareOf(order.slice(first, first + batch));
      for (const i of mine) loss += network.learn(images[i], labels[i], 1 / mine.length);
      average.runSync();
      for (let i = 0; i < weights.length; i++) {
        velocity[i] = MOMENTUM * velocity[i] - LEARNING_RATE * gradient[i];
        weights[i] += velocity[i];
      }
    }
    const ms = performance.now() - started;
    const read = shareOf(unseen).filter((i) => network.read(images[i]) === labels[i]).length;
    rows.push({
      epoch,
      loss: world.allreduceSync(loss, SUM) / TRAINED,
      right: world.allreduceSync(read, SUM) / unseen.length,
      ms,
    });
    report?.add(rows[rows.length - 1]);
  }
  if (svg === undefined || world.rank !== 0) return;
  const show = (value: number) => `${value}`;
  const points = rows.map(({ epoch, loss }) => ({ x: epoch, y: loss }));
  const series = [{ name: `${world.size} ranks`, points }];
  writeFileSync(
    svg,
    plot({ title: 'Reading digits', y: 'loss', show, x: { title: 'epoch', show }, series }),
  );
}

const settings = readCommandLine(
  'train',
  HELP,
  {
    epochs: { type: 'string', default: '30' },
    hidden: { type: 'string', default: '96' },
    batch: { type: 'string', default: '240' },
    json: { type: 'boolean', default: false },
    svg: { type: 'string' },
  },
  (given) => {
    const batch = wholeNumber(given, 'batch', 1);
    const { size } = MPI.world;
    if (TRAINED % batch !== 0 || batch % size !== 0)
      throw new Error(
        `--batch: ${batch} is no divisor of ${TRAINED} and a multiple of ${size} ranks`,
      );
    return {
      epochs: wholeNumber(given, 'epochs', 1),
      hidden: wholeNumber(given, 'hidden', 1),
      batch,
      json: given.json as boolean,
      svg: given.svg as string | undefined,
    };
  },
);
if (settings !== null) train(settings);
