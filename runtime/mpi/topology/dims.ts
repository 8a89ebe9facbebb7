/** Sizes of a grid's dimensions that are as close to each other as can be (MPI 4.1, 8.5.2). */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { checkList } from '../datatype/checks.ts';

/** More dimensions than any number of ranks can be divided into, with some to spare. */
export const GRID_DIMENSIONS_MAX = 64;

/** As many ranks as MPI can count. */
const RANKS_MAX = 2 ** 31 - 1;

/**
 * Divides ranks into a grid: sizes for {@link Communicator.cart} that are as close to each other as can be, the largest first
 * (MPI_Dims_create; MPI 4.1, 8.5.2). `dimsCreate(12, 2)` is `[4, 3]`, `dimsCreate(12, [0, 2, 0])` is `[3, 2, 2]`.
 * @param ranks how many ranks the grid has
 * @param dims how many dimensions; or one number for each, its size, or 0 where it is to be chosen
 * @returns the size of each dimension
 * @throws MpiError ERR_ARG where the ranks cannot be divided so
 */
export function dimsCreate(ranks: number, dims: number | readonly number[]): number[] {
  if (!isPositive(ranks) || ranks > RANKS_MAX)
    throw new MpiError('ERR_ARG', `dimsCreate: ${inWords(ranks)} is no number of ranks`);
  const given = sizesOf(dims);
  const fixed = given.reduce((product, size) => product * (size || 1), 1);
  const open = given.filter((size) => size === 0).length;
  const left = ranks / fixed;
  if (!Number.isInteger(left) || (open === 0 && left !== 1))
    throw new MpiError(
      'ERR_ARG',
      `dimsCreate: ${ranks} ranks cannot be divided into ${given.join(' × ') || 'no dimensions'}${open > 0 ? ', where 0 is to be chosen' : ''}: the sizes that are given make ${fixed}`,
    );
  const chosen = balanced(left, open);
  return given.map((size) => size || (chosen.shift() as number));
}

function sizesOf(dims: number | readonly number[]): number[] {
  if (typeof dims === 'number') {
    if (Number.isInteger(dims) && dims >= 0 && dims <= GRID_DIMENSIONS_MAX)
      return new Array(dims).fill(0);
    throw new MpiError(
      'ERR_ARG',
      `dimsCreate: ${dims} is no number of dimensions from 0 to ${GRID_DIMENSIONS_MAX}`,
    );
  }
  checkList(dims, 'the dimensions of dimsCreate');
  const bad = Array.from(dims).find((size) => size !== 0 && !isPositive(size));
  if (bad === undefined && dims.length <= GRID_DIMENSIONS_MAX) return Array.from(dims);
  throw new MpiError(
    'ERR_ARG',
    bad === undefined
      ? `dimsCreate: there are ${dims.length} dimensions: a grid has up to ${GRID_DIMENSIONS_MAX}`
      : `dimsCreate: ${inWords(bad)} is no size of a dimension: pass 0 where it is to be chosen`,
  );
}

function isPositive(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/**
 * Factors of a number, the largest first: their difference is the least that there is, and where several have it, the largest
 * factor is.
 */
function balanced(product: number, count: number): number[] {
  if (count === 0) return [];
  const divisors = divisorsOf(product);
  let best: number[] = [];
  let least = Number.POSITIVE_INFINITY;
  const factors: number[] = [];
  // The factors that are chosen next are not larger than the last one, and not so small that others are better already.
  const choose = (left: number, open: number): void => {
    if (open === 0) {
      const difference = factors[0] - factors[count - 1];
      if (left !== 1 || difference >= least) return;
      least = difference;
      best = [...factors];
      return;
    }
    const most = factors.at(-1) ?? product;
    for (const factor of divisors) {
      if (factor > most) return;
      if (factor ** open < left) continue;
      if (factors.length > 0 && factors[0] - factor >= least) continue;
      if (left % factor !== 0) continue;
      factors.push(factor);
      choose(left / factor, open - 1);
      factors.pop();
    }
  };
  choose(product, count);
  return best;
}

/** In ascending order. */
function divisorsOf(product: number): number[] {
  let divisors = [1];
  let left = product;
  for (let prime = 2; left > 1; prime++) {
    if (prime * prime > left) prime = left;
    const powers = [1];
    for (; left % prime === 0; left /= prime) powers.push((powers.at(-1) as number) * prime);
    divisors = divisors.flatMap((divisor) => powers.map((power) => divisor * power));
  }
  return divisors.sort((a, b) => a - b);
}
