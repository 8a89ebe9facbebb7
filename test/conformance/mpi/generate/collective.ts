/** Collective operations at random: text that schedule.ts and schedule.c run. */
import { Random } from '../../../tools/random.ts';
import { BETWEEN, type Groups, rootOf } from './between-groups.ts';
import { type Comm, connectGroups, makeComms } from './communicators.ts';
import { MOVES, type Part, REDUCTIONS, type Shape } from './parts.ts';

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

const NAMES = [...Object.keys(MOVES), ...Object.keys(REDUCTIONS)];
const BETWEEN_NAMES = Object.keys(BETWEEN);

/** What a call's elements are. */
function elementsOf(random: Random, name: string): Reduced {
  if (name in REDUCTIONS) return reduced(random);
  return { type: random.pick(TYPES), op: '-', kind: 'bytes' };
}

/** Elements of a block, of which there are so many. */
function countOf(random: Random, { type, op }: Reduced, blocks: number): number {
  const width = WIDTHS[type] * (op.endsWith('LOC') ? 2 : 1);
  return Math.min(random.pick(COUNTS), Math.floor(BYTES_MAX / width / blocks));
}

/** A rank of a call. */
interface Member {
  world: number;
  root: number;
  part: Part;
}

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
  within(comm: Comm, ranks: readonly number[]): void {
    const random = this.#random;
    const name = random.pick(NAMES);
    const elements = elementsOf(random, name);
    const size = ranks.length;
    const place = random.chance(0.25);
    const shape: Shape = {
      ...{ random, size, root: random.below(size), place },
      count: (blocks) => countOf(random, elements, blocks),
    };
    const partOf = (MOVES[name] ?? REDUCTIONS[name])(shape);
    const members = ranks.map((world, rank) => ({ world, root: shape.root, part: partOf(rank) }));
    // Open MPI 4.1 mixes up those that are started and have no elements at one rank.
    const how = name === 'alltoallv' && place ? 'now' : this.#how();
    this.#call(name, comm.slot, how, elements, members);
  }

  /** One call of two groups, each by its ranks of the world. */
  between(slot: number, groups: Groups): void {
    const random = this.#random;
    const name = random.pick(BETWEEN_NAMES);
    const elements = elementsOf(random, name);
    const side = random.below(2);
    const root = random.below(groups[side].length);
    const partsOf = BETWEEN[name]({
      ...{ random, side, root },
      sizes: groups.map(({ length }) => length),
      count: (blocks) => countOf(random, elements, blocks),
    });
    const members = groups.flatMap((ranks, its) =>
      ranks.map((world, rank) => ({
        world,
        root: rootOf(side, root, its, rank),
        part: partsOf(its, rank),
      })),
    );
    // MPICH 4.0 gives what rank 0 has where a bcast is started.
    const now = random.chance(0.5) || (name === 'bcast' && root > 0);
    this.#call(name, slot, now ? 'now' : this.#slot++, elements, members);
  }

  #call(
    name: string,
    slot: number,
    how: number | string,
    { type, op, kind }: Reduced,
    members: readonly Member[],
  ): void {
    const random = this.#random;
    const seed = random.below(1e6);
    for (const [i, { world, root, part }] of members.entries()) {
      const { place = false, count = 0, lists = [] } = part;
      const words = [name, slot, how, type, op, kind, root, place ? 1 : 0];
      this.#say(world, ['coll', ...words, seed + 1000 * i, count, ...lists.flat()]);
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
  const connected = connectGroups(random, ranks);
  for (let i = 0; i < CALLS; i++) {
    if (random.chance(0.2)) calls.between(connected.slot, connected.groups);
    const comm = random.pick(made.comms);
    for (const group of comm.groups) calls.within(comm, group);
  }
  calls.finishAll();
  const free = [connected.slot, connected.slot - 1, 2, 1].map((slot) => `* free ${slot}`);
  const making = [...made.lines, ...connected.lines];
  return [`* seed ${seed}`, ...making, ...calls.lines, '* barrier 0', ...free];
}
