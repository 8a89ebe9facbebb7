/** Operations: what they take, what they refuse, and arrays within one process. */
import { describe, expect, test } from 'vitest';
import {
  AVG,
  BAND,
  bf16,
  type Elements,
  f16,
  LAND,
  MAX,
  MINLOC,
  NO_OP,
  Op,
  PROD,
  REPLACE,
  SUM,
} from '../../../../../runtime/index.ts';

/** What the compiler refuses as well. */
const untyped = (op: unknown) =>
  op as { reduceLocal(incoming: unknown, inout: unknown): void; name: string };
const code = (error: string) => expect.objectContaining({ code: error });

describe('reduceLocal', () => {
  test('stores incoming op inout, and leaves incoming as it is', () => {
    const incoming = Float64Array.of(1, 2, 3);
    const inout = Float64Array.of(10, 20, 30);
    SUM.reduceLocal(incoming, inout);
    expect([...inout]).toEqual([11, 22, 33]);
    expect([...incoming]).toEqual([1, 2, 3]);
    SUM.reduceLocal(inout, inout);
    expect([...inout]).toEqual([22, 44, 66]);
  });

  test('takes views, and memory that threads share', () => {
    const shared = new Int32Array(new SharedArrayBuffer(4 * 200)).fill(2);
    PROD.reduceLocal(shared.subarray(0, 100), shared.subarray(100));
    expect([...new Set(shared.subarray(100))]).toEqual([4]);
    expect([...new Set(shared.subarray(0, 100))]).toEqual([2]);
  });

  test('whole numbers wrap, or stop, as the array does', () => {
    const cases: [Op<never>, Elements, Elements, unknown[]][] = [
      [SUM, Int8Array.of(127), Int8Array.of(1), [-128]],
      [SUM, Uint8ClampedArray.of(200), Uint8ClampedArray.of(100), [255]],
      [PROD, Int32Array.of(2 ** 30 + 1), Int32Array.of(4), [4]],
      [SUM, BigInt64Array.of(2n ** 63n - 1n), BigInt64Array.of(1n), [-(2n ** 63n)]],
      [PROD, BigUint64Array.of(2n ** 63n), BigUint64Array.of(2n), [0n]],
    ];
    for (const [op, incoming, inout, result] of cases) {
      untyped(op).reduceLocal(incoming, inout);
      expect([...inout]).toEqual(result);
    }
  });

  test('REPLACE takes what comes in, NO_OP what is there', () => {
    const inout = Float32Array.of(1, 2);
    NO_OP.reduceLocal(Float32Array.of(3, 4), inout);
    expect([...inout]).toEqual([1, 2]);
    REPLACE.reduceLocal(Float32Array.of(3, 4), inout);
    expect([...inout]).toEqual([3, 4]);
  });

  test.each([
    [
      'an operation that is not for such elements',
      BAND,
      new Float64Array(1),
      new Float64Array(1),
      'ERR_OP',
    ],
    ['an average of whole numbers', AVG, new Int32Array(1), new Int32Array(1), 'ERR_OP'],
    [
      'halves that are no Uint16Array',
      bf16(SUM),
      new Float32Array(1),
      new Float32Array(1),
      'ERR_OP',
    ],
    ['no typed array', SUM, new ArrayBuffer(8), new ArrayBuffer(8), 'ERR_BUFFER'],
    ['two types', SUM, new Int32Array(1), new Uint32Array(1), 'ERR_BUFFER'],
    ['two lengths', SUM, new Int32Array(1), new Int32Array(2), 'ERR_COUNT'],
    ['half a pair', MINLOC, new Int32Array(3), new Int32Array(3), 'ERR_COUNT'],
  ])('refuses %s', (_, op, incoming, inout, error) => {
    expect(() => untyped(op).reduceLocal(incoming, inout)).toThrow(code(error));
  });

  test('refuses arrays that overlap, and arrays that are gone', () => {
    const memory = new Float64Array(8);
    expect(() => SUM.reduceLocal(memory.subarray(0, 4), memory.subarray(1, 5))).toThrow(
      code('ERR_BUFFER'),
    );
    const gone = new Float64Array(0);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expect(() => SUM.reduceLocal(gone, gone)).toThrow(code('ERR_BUFFER'));
  });
});

describe("a program's own", () => {
  test('gets incoming first, element by element or array by array', () => {
    const inout = Float64Array.of(5, 6);
    Op.each((x, y) => x - y).reduceLocal(Float64Array.of(1, 1), inout);
    expect([...inout]).toEqual([-4, -5]);
    const whole = Op.of<Int32Array>((x, y) => y.set(x.map((each, i) => each * 10 + y[i])));
    const ints = Int32Array.of(1, 2);
    whole.reduceLocal(Int32Array.of(3, 4), ints);
    expect([...ints]).toEqual([31, 42]);
    const big = BigInt64Array.of(3n);
    Op.each<BigInt64Array>((x, y) => x * y).reduceLocal(BigInt64Array.of(4n), big);
    expect([...big]).toEqual([12n]);
  });

  test('has a name, and is not commutative unless it says so', () => {
    const hypot = Op.each(Math.hypot);
    expect(hypot).toMatchObject({ name: 'hypot', commutative: false });
    expect(Op.each(Math.hypot, { name: 'norm', commutative: true })).toMatchObject({
      name: 'norm',
      commutative: true,
    });
  });

  test('what it throws is the cause of ERR_OP', () => {
    const cause = new RangeError('no');
    const bad = Op.each(() => {
      throw cause;
    });
    expect(() => bad.reduceLocal(Float64Array.of(1), Float64Array.of(1))).toThrow(
      expect.objectContaining({ code: 'ERR_OP', cause }),
    );
  });

  test.each([[undefined], [null], ['sum'], [{}]])(
    'is made from a function, not from %j',
    (value) => {
      for (const make of [Op.of, Op.each] as unknown as ((value: unknown) => void)[])
        expect(() => make(value)).toThrow(code('ERR_OP'));
    },
  );
});

describe('halves', () => {
  test('are one operation each, of those that compute', () => {
    expect(bf16(SUM)).toBe(bf16(SUM));
    expect(bf16(SUM)).not.toBe(f16(SUM));
    for (const op of [BAND, MINLOC, REPLACE, bf16(SUM), Op.each(Math.max)])
      expect(() => f16(op as Op<Elements>)).toThrow(code('ERR_OP'));
    for (const op of [AVG, LAND, MAX]) expect(f16(op).name).toBe(`f16(${op.name})`);
  });

  test('round to nearest, ties to even', () => {
    // 1 + 2^-8 lies between two bfloat16 numbers, 1 + 3 * 2^-8 as well.
    const inout = Uint16Array.of(0x3b80, 0x3b80);
    bf16(SUM).reduceLocal(Uint16Array.of(0x3f80, 0x3f81), inout);
    expect([...inout]).toEqual([0x3f80, 0x3f82]);
  });
});
