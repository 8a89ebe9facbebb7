/** What each rank of a collective call between two groups passes. */
import type { Random } from '../../../tools/random.ts';
import { type Part, placed } from './parts.ts';

/** By ranks of the world. */
export type Groups = readonly (readonly number[])[];

interface Sides {
  random: Random;
  sizes: readonly number[];
  /** The root's group, and its rank there. */
  side: number;
  root: number;
  /** Elements, of which each of `blocks` blocks has no more. */
  count(blocks: number): number;
}

/** What a rank passes as the root: MPI_ROOT, MPI_PROC_NULL, or a rank. */
export function rootOf(side: number, root: number, its: number, rank: number): number {
  if (its !== side) return root;
  return rank === root ? -3 : -2;
}

type PartsOf = (its: number, rank: number) => Part;

/** Blocks of all lengths, and none. */
function several({ random, count }: Sides, blocks: number): number[] {
  const most = count(blocks);
  return Array.from({ length: blocks }, () => (random.chance(0.2) ? 0 : random.below(most + 1)));
}

/** One count for all. */
const same =
  (blocksOf: (sides: Sides) => number) =>
  (sides: Sides): PartsOf => {
    const count = sides.count(blocksOf(sides));
    return () => ({ count });
  };

const most = ({ sizes }: Sides) => Math.max(...sizes);

/** The root has a block for each rank of the other group, or of each. */
function rooted(sides: Sides): PartsOf {
  const { random, side, root, sizes } = sides;
  const counts = several(sides, sizes[1 - side]);
  const displs = placed(random, counts);
  return (its, rank) => {
    if (its !== side) return { count: counts[rank] };
    return rank === root ? { lists: [counts, displs] } : {};
  };
}

/** Blocks of one length each way: a rank's own, and for each rank of the other group that of theirs. */
function bothWays(sides: Sides): PartsOf {
  const counts = [sides.count(most(sides)), sides.count(most(sides))];
  return (its) => {
    const theirs = new Array(sides.sizes[1 - its]).fill(counts[1 - its]);
    return { count: counts[its], lists: [theirs] };
  };
}

function toAll(sides: Sides): PartsOf {
  const counts = sides.sizes.map((size) => several(sides, size));
  return (its, rank) => {
    const theirs = counts[1 - its];
    return { count: counts[its][rank], lists: [theirs, placed(sides.random, theirs)] };
  };
}

function eachToEach(sides: Sides): PartsOf {
  const [here, there] = sides.sizes;
  const rows = [
    Array.from({ length: here }, () => several(sides, there)),
    Array.from({ length: there }, () => several(sides, here)),
  ];
  return (its, rank) => {
    const sent = rows[its][rank];
    const got = rows[1 - its].map((row) => row[rank]);
    return { lists: [sent, got].flatMap((counts) => [counts, placed(sides.random, counts)]) };
  };
}

/** Each group deals out as many elements as the other one. */
function dealtOut(sides: Sides): PartsOf {
  const { random, sizes } = sides;
  const count = sides.count(1);
  const counts = sizes.map((size) => {
    let left = count;
    return Array.from({ length: size }, (_, rank) => {
      const its = rank === size - 1 ? left : random.below(left + 1);
      left -= its;
      return its;
    });
  });
  return (its) => ({ count, lists: [counts[its]] });
}

/** By operation. */
export const BETWEEN: Readonly<Record<string, (sides: Sides) => PartsOf>> = {
  barrier: () => () => ({}),
  bcast: same(() => 1),
  gather: same(most),
  gatherv: rooted,
  scatter: same(most),
  scatterv: rooted,
  allgather: bothWays,
  allgatherv: toAll,
  alltoall: bothWays,
  alltoallv: eachToEach,
  reduce: same(() => 1),
  allreduce: same(() => 1),
  reduceScatter: dealtOut,
  reduceScatterBlock: (sides) => {
    const blocks = sides.sizes[0] * sides.sizes[1];
    const count = sides.count(blocks) * blocks;
    return () => ({ count });
  },
};
