/** What each rank of a collective call passes. */
import type { Random } from '../../../tools/random.ts';

/** Numbers of a line, one list behind the other; each with one for each rank. */
export type Lists = readonly (readonly number[])[];

/** What each rank of a call says: whether its data are in place, its count, its lists. */
export interface Part {
  place?: boolean;
  count?: number;
  lists?: Lists;
}

export interface Shape {
  random: Random;
  size: number;
  root: number;
  /** In place, where the operation has it. */
  place: boolean;
  /** Elements, of which each of `blocks` blocks has no more. */
  count(blocks: number): number;
}

/** Where blocks lie: in the order of a shuffle, some with a gap before them. */
export function placed(random: Random, counts: readonly number[]): number[] {
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
export function several({ random, size, count }: Shape): number[] {
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
export const MOVES: Readonly<Record<string, (shape: Shape) => (rank: number) => Part>> = {
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

export const REDUCTIONS: typeof MOVES = {
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
