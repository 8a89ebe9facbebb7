/** dimsCreate against all divisions that there are. */
import { describe, expect, test } from 'vitest';
import { dimsCreate, GRID_DIMENSIONS_MAX } from '../../../../../runtime/mpi/topology/dims.ts';
import { codeOf } from '../../../../tools/error-code.ts';

/** Factors in descending order. */
function divisions(product: number, count: number, most = product): number[][] {
  if (count === 0) return product === 1 ? [[]] : [];
  const found: number[][] = [];
  for (let factor = 1; factor <= Math.min(most, product); factor++)
    if (product % factor === 0)
      for (const rest of divisions(product / factor, count - 1, factor))
        found.push([factor, ...rest]);
  return found;
}

const spread = (dims: number[]) => dims[0] - dims[dims.length - 1];

describe('dimsCreate', () => {
  test.each([1, 2, 3, 4, 5])('takes the sizes closest to each other, in %i dimensions', (count) => {
    for (let ranks = 1; ranks <= 200; ranks++) {
      const dims = dimsCreate(ranks, count);
      const all = divisions(ranks, count);
      expect(all, `${ranks}`).toContainEqual(dims);
      const least = Math.min(...all.map(spread));
      expect(spread(dims), `${ranks}`).toBe(least);
      const best = all.filter((one) => spread(one) === least);
      expect(dims[0], `${ranks}`).toBe(Math.min(...best.map(([first]) => first)));
    }
  });

  test.each<[number, number[], number[]]>([
    [6, [0, 0], [3, 2]],
    [7, [0, 0], [7, 1]],
    [6, [0, 3, 0], [2, 3, 1]],
    [12, [0, 2, 0], [3, 2, 2]],
    [24, [4, 0, 0, 1], [4, 3, 2, 1]],
    [8, [2, 4], [2, 4]],
    [1, [], []],
  ])('%i ranks into %j are %j', (ranks, given, dims) => {
    const before = [...given];
    expect(dimsCreate(ranks, given)).toEqual(dims);
    expect(given).toEqual(before);
  });

  test.each([
    [735_134_400, 10],
    [2 ** 30, 7],
    [2 ** 31 - 1, 3],
    [2 ** 30, GRID_DIMENSIONS_MAX],
    [223_092_870, 6],
  ])('divides %i into %i dimensions', (ranks, count) => {
    const dims = dimsCreate(ranks, count);
    expect(dims).toHaveLength(count);
    expect(dims.reduce((product, size) => product * size)).toBe(ranks);
    expect([...dims].sort((a, b) => b - a)).toEqual(dims);
  });

  test.each<[unknown, unknown]>([
    [0, 2],
    [-4, 2],
    [1.5, 2],
    ['4', 2],
    [2 ** 31, 2],
    [4, -1],
    [4, 0.5],
    [4, GRID_DIMENSIONS_MAX + 1],
    [6, 0],
    [6, []],
    [7, [0, 3, 0]],
    [7, [2, 3]],
    [12, [2, 3]],
    [4, [-2, 0]],
    [4, [0.5, 0]],
    [4, ['2', 0]],
    [4, null],
    [4, 'x'],
    [4, new Array(GRID_DIMENSIONS_MAX + 1).fill(0)],
  ])('refuses %j ranks in %j', (ranks, dims) => {
    expect(codeOf(() => dimsCreate(ranks as number, dims as number[]))).toBe('ERR_ARG');
  });
});
