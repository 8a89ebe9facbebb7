/** Exact sums: rounded once, whatever the order and the sizes of the terms. */
import { expect, test } from 'vitest';
import { bf16, type Elements, MAX, Op, SUM } from '../../../../../runtime/index.ts';
import { ExactSum } from '../../../../../runtime/mpi/collective/op/exact-sum.ts';
import { kindOf } from '../../../../../runtime/mpi/collective/op/kinds.ts';
import { exactSum } from '../../../../tools/exact-sum.ts';
import { Random } from '../../../../tools/random.ts';

/** The terms as arrays of one element each. */
function sumOf<A extends Elements>(terms: readonly A[], op: Op<A> = SUM): A {
  const kernel = ExactSum.instead(op.kernel(kindOf(terms[0])));
  const out = terms[0].slice() as A;
  kernel.fold(
    out,
    0,
    terms,
    terms.map(() => 0),
    out.length,
  );
  return out;
}
const doubles = (terms: readonly number[]) => sumOf(terms.map((term) => Float64Array.of(term)))[0];
const floats = (terms: readonly number[]) => sumOf(terms.map((term) => Float32Array.of(term)))[0];

const TINY = 2 ** -1074;
const HUGE = Number.MAX_VALUE;

test.each([
  [[1, 1e100, 1, -1e100], 2],
  [[HUGE, HUGE, -HUGE, -HUGE, 1], 1],
  [[HUGE, 2 ** 970], Number.POSITIVE_INFINITY],
  [[-HUGE, -HUGE, HUGE], -HUGE],
  [[TINY, TINY, -TINY, 1, -1], TINY],
  [[1, 2 ** -53], 1],
  [[1, 2 ** -53, TINY], 1 + 2 ** -52],
  [[-1, -(2 ** -53), -TINY], -1 - 2 ** -52],
  [[1, -1], 0],
  [[-0, -0], -0],
  [[-0, 0], 0],
  [[Number.POSITIVE_INFINITY, 1, HUGE], Number.POSITIVE_INFINITY],
  [[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], Number.NaN],
  [[Number.NaN, 1], Number.NaN],
])('the terms %j make %d', (terms, sum) => {
  expect(doubles(terms)).toBe(sum);
  expect(doubles([...terms].reverse())).toBe(sum);
});

test('terms of all sizes, many of them, in any order', () => {
  const random = new Random(4);
  for (const [number, spread] of [
    [2, 60],
    [7, 300],
    [40, 1000],
    [1500, 500],
  ]) {
    const terms = Array.from({ length: number }, () => {
      const size =
        (random.next() * 2 ** 21 + random.next()) * 2 ** (random.below(2 * spread) - spread - 53);
      return random.chance(0.5) ? size : -size;
    });
    const expected = exactSum(terms);
    expect(doubles(terms)).toBe(expected);
    expect(doubles([...terms].sort((x, y) => x - y))).toBe(expected);
  }
});

test('narrower types are rounded once as well', () => {
  // By way of a double it would be rounded to 1.
  expect(floats([1, 2 ** -24, 2 ** -60])).toBe(1 + 2 ** -23);
  expect(floats([2 ** 127, 2 ** 127])).toBe(Number.POSITIVE_INFINITY);
  expect(floats([2 ** -149, 2 ** -149, -(2 ** -149)])).toBe(2 ** -149);
  // 1 + 2^-8 + 2^-30 in bfloat16.
  expect(
    sumOf(
      [0x3f80, 0x3b80, 0x3080].map((bits) => Uint16Array.of(bits)),
      bf16(SUM),
    )[0],
  ).toBe(0x3f81);
});

test('it is for sums', () => {
  const double = kindOf(new Float64Array(0));
  for (const op of [MAX, Op.each((x, y) => x + y)])
    expect(() => ExactSum.instead(op.kernel(double))).toThrow(
      expect.objectContaining({ code: 'ERR_OP' }),
    );
  // Whole numbers are exact anyhow.
  const whole = SUM.kernel(kindOf(new Int32Array(0)));
  expect(ExactSum.instead(whole)).toBe(whole);
});
