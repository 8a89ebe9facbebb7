/** Every operation on every type: on each set of instructions that the processor has, and in JavaScript, the same bits. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  FOLD_SOURCES,
  kernelNumber,
  OPERATIONS,
  reduceAddon,
} from '../../../../../native/reduce.ts';
import type { Elements } from '../../../../../runtime/index.ts';
import { NativeKernel } from '../../../../../runtime/mpi/collective/op/kernel.ts';
import {
  BFLOAT16,
  FLOAT16_BITS,
  KINDS,
  type Kind,
} from '../../../../../runtime/mpi/collective/op/kinds.ts';
import { makeLoop } from '../../../../../runtime/mpi/collective/op/loops.ts';
import { Random } from '../../../../tools/random.ts';
import {
  BF16,
  combined,
  F16,
  FORMATS,
  type Format,
  folded,
  REDUCTIONS,
  takes,
} from '../../../../tools/reduced.ts';

const LONGEST = 200;
const ALL: readonly Format[] = [...FORMATS, BF16, F16];
const kindOf = (format: Format): Kind =>
  format === BF16
    ? BFLOAT16
    : format === F16
      ? FLOAT16_BITS
      : (KINDS.find(({ name }) => name === format.name) as Kind);

const bytesOf = (array: ArrayBufferView) =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);
/** Node-API knows no Float16Array. */
const span = (array: Elements) =>
  array.constructor.name === 'Float16Array'
    ? new Uint16Array(array.buffer, array.byteOffset, array.length)
    : array;

/** Random bits, then values that are special in the format, in all pairs. */
function contents(format: Format, seed: number): Elements {
  const random = new Random(seed);
  const array = format.make(LONGEST);
  const bytes = bytesOf(array);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
  const small = [0, 1, 2, 3, 255, 5, 4, 128];
  const float = [0, -0, 1, -1, Infinity, -Infinity, NaN, 1.5, -2.25, 1e-40, 6e-8, 3e38, 65504, 0.1];
  const values: readonly number[] = /float/i.test(format.name) ? float : small;
  // Half of it; the other half has signalling NaNs and what else there is.
  for (let i = 0; i < LONGEST; i++) {
    const pick = seed % 2 ? i % values.length : Math.floor(i / values.length) % values.length;
    const value = random.chance(0.2) ? random.pick(values) : values[pick];
    if (i >= LONGEST / 4) continue;
    format.set(array, i, /Big/.test(format.name) ? BigInt(value) : value);
  }
  return array;
}

const CASES = ALL.flatMap((format) =>
  REDUCTIONS.filter((op) => takes(format, op)).map((op) => {
    const x = contents(format, 1);
    const y = contents(format, 2);
    return {
      name: `${op} of ${format.name}`,
      op,
      format,
      x,
      y,
      expected: combined(format, op, x, y),
    };
  }),
);
const operationOf = (op: string) => OPERATIONS.indexOf(op as (typeof OPERATIONS)[number]);
const numberOf = (format: Format, op: string) => kernelNumber(kindOf(format).type, operationOf(op));

const ZEROS = Buffer.alloc(8 * (LONGEST + 8));

/** Each length, and each distance from the beginning of a vector; nothing is written beside the result. */
function checkLengths(
  { op, format, x, y, expected }: (typeof CASES)[number],
  combine: (
    out: Elements,
    outAt: number,
    a: Elements,
    b: Elements,
    at: number,
    count: number,
  ) => void,
): void {
  const unit = op.endsWith('LOC') ? 2 : 1;
  for (let count = 0; count <= LONGEST; count += unit) {
    const at = unit * (count % 5);
    const length = Math.min(count, LONGEST - at);
    const out = format.make(LONGEST + 8);
    combine(out, 4, x, y, at, length);
    const got = out.subarray(4, 4 + length);
    const wanted = expected.subarray(at, at + length);
    const right = bytesOf(got).equals(bytesOf(wanted));
    bytesOf(got).fill(0);
    // To ask `expect` each time would take most of the time.
    if (!right || !bytesOf(out).equals(ZEROS.subarray(0, out.byteLength)))
      expect.fail(
        `${length} elements from ${at} on ${right ? 'are not all that was written' : `differ from [${wanted}]`}`,
      );
  }
}

const variants = reduceAddon().reduceVariants();
afterAll(() => void reduceAddon().reduceVariant(-1));

describe.each(variants.map((name, index) => ({ name, index })))('$name', ({ index }) => {
  beforeAll(() => void reduceAddon().reduceVariant(index));

  test.each(CASES)('$name', (one) => {
    const { bytes } = kindOf(one.format);
    const unit = one.op.endsWith('LOC') ? 2 : 1;
    checkLengths(one, (out, outAt, a, b, at, count) => {
      const [to, x, y] = [out, a, b].map(span);
      const done = reduceAddon().combine(
        numberOf(one.format, one.op),
        count / unit,
        to,
        outAt * bytes,
        x,
        at * bytes,
        y,
        at * bytes,
      );
      if (done !== 0) expect.fail(`the addon refuses ${count} elements from ${at} on`);
    });
  });
});

const LOOPS = CASES.flatMap((one) => {
  const loop = makeLoop(operationOf(one.op), kindOf(one.format));
  return loop === null ? [] : [{ ...one, loop }];
});

test('all but halves have a loop in JavaScript', () => {
  expect(LOOPS.length).toBe(CASES.filter(({ format }) => !/float16/i.test(format.name)).length);
});

describe('in JavaScript', () => {
  test.each(LOOPS)('$name', (one) => {
    const { loop, format, x, y } = one;
    const check = () =>
      checkLengths(one, (out, outAt, a, b, at, count) => loop(out, outAt, a, at, b, at, count));
    check();
    // What V8 makes of it once it is hot gives the same bits.
    const out = format.make(LONGEST);
    if (/Float/.test(format.name)) for (let i = 0; i < 2000; i++) loop(out, 0, x, 0, y, 0, LONGEST);
    check();
  });
});

describe('a fold', () => {
  /** More than one call of the addon takes. */
  const many = FOLD_SOURCES + 3;
  const sources = (format: Format) => Array.from({ length: many }, (_, i) => contents(format, i));

  test.each(ALL.map((format) => ({ name: format.name, format })))(
    'of $name is a left fold, of any number, into any of its sources',
    ({ format }) => {
      const kernel = new NativeKernel(operationOf('SUM'), kindOf(format), false);
      const all = sources(format);
      for (const number of [1, 2, 3, 5, FOLD_SOURCES, FOLD_SOURCES + 1, many]) {
        const some = all.slice(0, number);
        const expected = folded(format, 'SUM', some);
        for (const count of [0, 1, 5, LONGEST])
          for (const into of [-1, 0, 1, number - 1]) {
            const given = some.map((source) => source.slice()) as Elements[];
            const out = given[into] ?? format.make(LONGEST);
            const before = out.slice() as Elements;
            const at = given.map(() => 0);
            kernel.fold(out, 0, given, at, count);
            const what = `${number} sources, ${count} elements, into ${into}`;
            const wanted = number === 1 ? some[0] : expected;
            const right = [bytesOf(wanted.subarray(0, count)), bytesOf(before.subarray(count))];
            if (!bytesOf(out).equals(Buffer.concat(right))) expect.fail(what);
          }
      }
    },
  );

  test('of more than a step of it covers', () => {
    const length = 5000;
    const all = [1, 2, 3].map((k) => Float64Array.from({ length }, (_, i) => (i * k) / 7));
    const kernel = new NativeKernel(
      operationOf('SUM'),
      KINDS.find(({ name }) => name === 'Float64Array') as Kind,
      false,
    );
    kernel.fold(all[2], 0, all, [0, 0, 0], length);
    expect([...all[2]]).toEqual(
      Array.from({ length }, (_, i) => i / 7 + (i * 2) / 7 + (i * 3) / 7),
    );
  });
});

describe('the addon takes no memory that is not there', () => {
  const { combine, fold, divide } = reduceAddon();
  const sum = numberOf(FORMATS.find(({ name }) => name === 'Float64Array') as Format, 'SUM');
  const bytes = new Uint8Array(64);
  const EINVAL = -22;

  test.each([
    ['too many elements', () => combine(sum, 9, bytes, 0, bytes, 0, bytes, 0)],
    ['an offset beyond the end', () => combine(sum, 1, bytes, 0, bytes, 64, bytes, 0)],
    ['a negative offset', () => combine(sum, 1, bytes, -8, bytes, 0, bytes, 0)],
    ['an offset that is not aligned', () => combine(sum, 1, bytes, 0, bytes, 0, bytes, 4)],
    ['no kernel', () => combine(9999, 1, bytes, 0, bytes, 0, bytes, 0)],
    ['half an element', () => combine(sum, 0.5, bytes, 0, bytes, 0, bytes, 0)],
    ['one source', () => fold(sum, 1, bytes, 0, bytes, 0)],
    ['a source without offset', () => fold(sum, 1, bytes, 0, bytes, 0, bytes)],
    ['a source that is too short', () => fold(sum, 8, bytes, 0, bytes, 0, bytes, 8)],
    [
      'sources beyond what a call takes',
      () => fold(sum, 1, bytes, 0, ...Array(2 * FOLD_SOURCES + 2).fill(bytes)),
    ],
    ['a division of integers', () => divide(0, 1, bytes, 0, 2)],
  ] as const)('%s', (_, call) => {
    expect(call()).toBe(EINVAL);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });
});
