/** Collective operations at random: text that schedule.ts and schedule.c run. */
import { Random } from '../../../tools/random.ts';
import { type Comm, makeComms } from './communicators.ts';

/** Elements of a block: on both sides of the thresholds of all three implementations. */
const COUNTS = [0, 1, 1, 2, 3, 7, 8, 64, 255, 256, 257, 1025, 2049, 4097, 8193, 33_000];
/** What one rank has, in bytes. */
const BYTES_MAX = 300_000;
const CALLS = 16;
/** Of those that are started: how many may be under way at once. */
const STARTED_MAX = 4;

const SHORT = { Int8Array: 1, Uint8Array: 1, Int16Array: 2, Uint16Array: 2 };
const WIDE = { Int32Array: 4, Uint32Array: 4, BigInt64Array: 8, BigUint64Array: 8 };
const FLOATS = { Float32Array: 4, Float64Array: 8 };
const WIDTHS: Readonly<Record<string, number>> = { ...SHORT, ...WIDE, ...FLOATS };
const TYPES = Object.keys(WIDTHS);
const OF_MAPS = ['Int32Array', 'BigInt64Array', 'Float64Array'];
const OF_PAIRS = ['Int32Array', 'Float64Array'];

/** What a reduction reduces: the kind of values has the same result in every order. */
interface Reduced {
  type: string;
  op: string;
  kind: string;
}

function reduced(random: Random): Reduced {
  const how = random.below(8);
  if (how === 0) {
    const op = random.pick(['MAPS', 'EACH_MAPS']);
    return { type: random.pick(OF_MAPS), op, kind: 'maps' };
  }
  if (how === 1)
    return { type: random.pick(OF_PAIRS), op: random.pick(['MINLOC', 'MAXLOC']), kind: 'few' };
  const type = random.pick(TYPES);
  if (type in FLOATS) {
    const op = random.pick(['SUM', 'SUM', 'PROD', 'MIN', 'MAX', 'AVG']);
    return { type, op, kind: op === 'PROD' ? 'powers' : 'quarters' };
  }
  const op = random.pick('SUM SUM PROD MIN MAX BAND BOR BXOR LAND LOR LXOR'.split(' '));
  return { type, op, kind: kindOf(type, op) };
}

/** Of whole numbers: any bits, but for what the other libraries get wrong. */
function kindOf(type: string, op: string): string {
  if (op.startsWith('L')) return 'few';
  // MPICH 4.0 takes the highest bit for a sign.
  if (type.includes('Uint') && (op === 'MIN' || op === 'MAX')) return 'halves';
  // Open MPI 4.1 does not wrap sums that are too large.
  if (op === 'SUM' && type in SHORT) return 'few';
  return 'bytes';
}

/** Numbers of a line, one list behind the other; each with one for each rank. */
type Lists = readonly (readonly number[])[];

/** What each rank of a call says: whether its data are in place, its count, its lists. */
interface Part {
  place?: boolean;
  count?: number;
  lists?: Lists;
}

interface Shape {
  random: Random;
  size: number;
  root: number;
  /** In place, where the operation has it. */
  place: boolean;
  /** Elements, of which each of `blocks` blocks has no more. */
  count(blocks: number): number;
}

/** Where blocks lie: in the order of a shuffle, some with a gap before them. */
function placed(random: Random, counts: readonly number[]): number[] {
  const displs: number[] = [];
  let at = 0;
  const left = [...counts.keys()];
  while (left.length > 0) {
    const [block] = left.splice(random.below(left.length), 1);
    if (random.chance(0.3)) at += random.below(4);
    displs[block] = at;
    at += counts[block];
  }
  return displs;
}

/** Blocks of all lengths, and none. */
function several({ random, size, count }: Shape): number[] {
  const most = count(size);
  return Array.from({ length: size }, () => (random.chance(0.2) ? 0 : random.below(most + 1)));
}

/** A table of what each rank has for each other one; a symmetric one where each gets what it gives. */
function table(shape: Shape): number[][] {
  const rows = Array.from({ length: shape.size }, () => several(shape));
  return shape.place ? rows.map((row, i) => row.map((n, j) => (i < j ? n : rows[j][i]))) : rows;
}

const atRoot = ({ root, place }: Shape, rank: number) => place && rank === root;
const same = (count: (shape: Shape) => number) => (shape: Shape) => {
  const all = count(shape);
  return (_rank: number): Part => ({ place: shape.place, count: all });
};

/** Types of alltoallw, by their widths. */
const W_WIDTHS = [1, 4, 8];
/** Bytes that each block of alltoallw has for itself. */
const W_BLOCK = 1024;

/** What each rank passes, by operation. */
const MOVES: Readonly<Record<string, (shape: Shape) => (rank: number) => Part>> = {
  barrier: () => () => ({ count: 0 }),
  bcast: (shape) => {
    const count = shape.count(1);
    return () => ({ count });
  },
  gather: (shape) => {
    const count = shape.count(shape.size);
    return (rank) => ({ place: atRoot(shape, rank), count });
  },
  gatherv: rooted,
  scatter: (shape) => {
    const count = shape.count(shape.size);
    return (rank) => ({ place: atRoot(shape, rank), count });
  },
  scatterv: rooted,
  allgather: same(({ count, size }) => count(size)),
  allgatherv: (shape) => {
    const counts = several(shape);
    return (rank) => ({
      place: shape.place,
      count: counts[rank],
      // MPICH 4.0 has no eye for the displacement where there is but one rank.
      lists: [counts, shape.size === 1 ? [0] : placed(shape.random, counts)],
    });
  },
  alltoall: same(({ count, size }) => count(size)),
  alltoallv: (shape) => {
    const rows = table(shape);
    return (rank) => {
      const theirs = rows.map((row) => row[rank]);
      const lists = [rows[rank], theirs].flatMap((counts) => [
        counts,
        placed(shape.random, counts),
      ]);
      return { place: shape.place, count: 0, lists };
    };
  },
  alltoallw: (shape) => {
    const { random, size } = shape;
    const rows = table({ ...shape, place: false, count: () => W_BLOCK / 8 });
    const types = rows.map((row) => row.map(() => random.below(W_WIDTHS.length)));
    const places = Array.from({ length: size }, (_, i) => i * W_BLOCK);
    return (rank) => {
      const column = (all: number[][]) => all.map((row) => row[rank]);
      const lists = [rows[rank], places, column(rows), places, types[rank], column(types)];
      return { count: size * W_BLOCK, lists };
    };
  },
};

function rooted(shape: Shape): (rank: number) => Part {
  const counts = several(shape);
  const displs = placed(shape.random, counts);
  return (rank) => ({
    place: atRoot(shape, rank),
    count: counts[rank],
    lists: rank === shape.root ? [counts, displs] : [],
  });
}

const REDUCTIONS: typeof MOVES = {
  reduce: (shape) => {
    const count = shape.count(1);
    // MPICH 4.0 crashes where another root's elements are in place.
    return (rank) => ({ place: rank === 0 && atRoot(shape, rank), count });
  },
  allreduce: same(({ count }) => count(1)),
  reduceScatter: (shape) => {
    const counts = several(shape);
    const count = counts.reduce((sum, one) => sum + one);
    return () => ({ place: shape.place, count, lists: [counts] });
  },
  reduceScatterBlock: same(({ count, size }) => count(size) * size),
  scan: same(({ count }) => count(1)),
  exscan: same(({ count }) => count(1)),
};

const NAMES = [...Object.keys(MOVES), ...Object.keys(REDUCTIONS)];

/** Calls that were started and not finished, of a rank of the world. */
type Open = Map<number, number[]>;

class Calls {
  readonly lines: string[] = [];
  readonly #random: Random;
  readonly #open: Open = new Map();
  #slot = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** One call of a group; `ranks` of the world. */
  call(comm: Comm, ranks: readonly number[]): void {
    const random = this.#random;
    const name = random.pick(NAMES);
    const { type, op, kind } =
      name in REDUCTIONS ? reduced(random) : { type: random.pick(TYPES), op: '-', kind: 'bytes' };
    const width = WIDTHS[type] * (kind === 'few' && op.endsWith('LOC') ? 2 : 1);
    const size = ranks.length;
    const shape: Shape = {
      ...{ random, size, root: random.below(size), place: random.chance(0.25) },
      count: (blocks) => {
        const most = Math.floor(BYTES_MAX / width / blocks);
        return Math.min(random.pick(COUNTS), most);
      },
    };
    const partOf = (MOVES[name] ?? REDUCTIONS[name])(shape);
    // Open MPI 4.1 mixes up those that are started and have no elements at one rank.
    const how = name === 'alltoallv' && shape.place ? 'now' : this.#how();
    const seed = random.below(1e6);
    for (const [rank, world] of ranks.entries()) {
      const { place = false, count = 0, lists = [] } = partOf(rank);
      const words = [name, comm.slot, how, type, op, kind, shape.root, place ? 1 : 0];
      this.#say(world, ['coll', ...words, seed + 1000 * rank, count, ...lists.flat()]);
      if (typeof how !== 'number') continue;
      const open = this.#open.get(world) ?? [];
      this.#open.set(world, [...open, how]);
      if (open.length === STARTED_MAX) this.#finish(world, random.below(STARTED_MAX));
    }
  }

  #how(): number | string {
    const random = this.#random;
    if (random.chance(0.5)) return 'now';
    return random.chance(0.2) ? 'again' : this.#slot++;
  }

  #say(rank: number, words: readonly (string | number)[]): void {
    this.lines.push(`${rank} ${words.join(' ')}`);
  }

  #finish(rank: number, place: number): void {
    const open = this.#open.get(rank)!;
    this.#say(rank, ['finish', ...open.splice(place, 1)]);
  }

  /** In any order, at each rank another one. */
  finishAll(): void {
    for (const [rank, open] of this.#open)
      while (open.length > 0) this.#finish(rank, this.#random.below(open.length));
  }
}

/** Collective operations at random, as a seed decides. */
export function collectiveSchedule(seed: number, ranks: number): string[] {
  const random = new Random(seed);
  const made = makeComms(random, ranks);
  const calls = new Calls(random);
  for (let i = 0; i < CALLS; i++) {
    const comm = random.pick(made.comms);
    for (const group of comm.groups) calls.call(comm, group);
  }
  calls.finishAll();
  const free = [2, 1].map((slot) => `* free ${slot}`);
  return [`* seed ${seed}`, ...made.lines, ...calls.lines, '* barrier 0', ...free];
}
