import { describe, expect, it } from 'vitest';
import type { Distribution } from '../../../../../runtime/mpi/datatype/distribution.ts';
import { type Field, Layout } from '../../../../../runtime/mpi/datatype/layout.ts';
import { Random } from '../../../../tools/random.ts';
import { indicesOf, Model } from './model.ts';

const doubles = Layout.of(Float64Array);

interface Pair {
  layout: Layout;
  model: Model;
}

const element = (random: Random): Pair => {
  const width = random.pick([1, 2, 3, 4, 4, 8, 8, 8]);
  return { layout: Layout.of(width), model: Model.of(width) };
};

const list = (random: Random, length: number, limit: number) =>
  Array.from({ length }, () => random.below(limit));

/** Makes a layout from another one, in any way. */
const STEPS: ((random: Random, from: Pair) => Pair)[] = [
  (random, { layout, model }) => {
    const count = random.below(5);
    return { layout: layout.contiguous(count), model: model.blocks([count], [0]) };
  },
  (random, { layout, model }) => {
    const [count, length, stride] = [random.below(5), random.below(4), random.below(12) - 4];
    const bytes = Array.from({ length: count }, (_, i) => i * stride * model.extent);
    return {
      layout: layout.vector(count, length, stride),
      model: model.blocks(new Array(count).fill(length), bytes),
    };
  },
  (random, { layout, model }) => {
    const [count, length, stride] = [random.below(5), random.below(4), random.below(90) - 30];
    const bytes = Array.from({ length: count }, (_, i) => i * stride);
    return {
      layout: layout.hvector(count, length, stride),
      model: model.blocks(new Array(count).fill(length), bytes),
    };
  },
  (random, { layout, model }) => {
    const lengths = list(random, random.below(6), 4);
    const places = list(random, lengths.length, 20).map((each) => each - 5);
    return {
      layout: layout.indexed(lengths, places),
      model: model.blocks(
        lengths,
        places.map((place) => place * model.extent),
      ),
    };
  },
  (random, { layout, model }) => {
    const lengths = list(random, random.below(6), 4);
    const bytes = list(random, lengths.length, 120).map((each) => each - 30);
    return {
      layout: layout.hindexed(Int32Array.from(lengths), bytes),
      model: model.blocks(lengths, bytes),
    };
  },
  (random, { layout, model }) => {
    const length = random.below(4);
    const places = list(random, random.below(6), 20);
    return {
      layout: layout.indexedBlock(length, places),
      model: model.blocks(
        places.map(() => length),
        places.map((place) => place * model.extent),
      ),
    };
  },
  (random, { layout, model }) => {
    const [lower, extent] = [random.below(40) - 20, random.below(60) - 10];
    return { layout: layout.resized(lower, extent), model: model.resized(lower, extent) };
  },
  (random, { layout, model }) => {
    const sizes = list(random, 1 + random.below(3), 4).map((each) => each + 1);
    const subsizes = sizes.map((size) => random.below(size + 1));
    const starts = sizes.map((size, i) => random.below(size - subsizes[i] + 1));
    const order = random.pick(['C', 'F'] as const);
    const taken = subsizes.map((length, i) => Array.from({ length }, (_, j) => starts[i] + j));
    return {
      layout: layout.subarray(sizes, subsizes, starts, order),
      model: model.array(sizes, taken, order),
    };
  },
  (random, { layout, model }) => {
    const grid = Array.from({ length: 1 + random.below(2) }, (): Distribution => {
      const kind = random.pick(['block', 'cyclic', 'none'] as const);
      const size = random.below(9);
      const processes = kind === 'none' ? 1 : 1 + random.below(3);
      if (kind === 'none' || random.chance(0.5)) return { size, kind, processes };
      const arg = kind === 'cyclic' ? 1 + random.below(3) : Math.ceil(size / processes) + 1;
      return { size, kind, processes, arg };
    });
    const places = grid.map(({ processes }) => random.below(processes));
    const rank = grid.reduce((sum, { processes }, i) => sum * processes + places[i], 0);
    const all = grid.reduce((product, { processes }) => product * processes, 1);
    const order = random.pick(['C', 'F'] as const);
    return {
      layout: layout.darray(all, rank, grid, order),
      model: model.array(
        grid.map(({ size }) => size),
        grid.map((each, i) => indicesOf(each, places[i])),
        order,
      ),
    };
  },
  (random, from) => {
    const fields = Array.from({ length: random.below(4) }, () => ({
      pair: random.chance(0.5) ? from : element(random),
      offset: random.below(80) - 20,
      count: random.below(3),
    }));
    const copies = fields.flatMap(({ pair: { model }, offset, count }) =>
      Array.from({ length: count }, (_, j) => ({ of: model, by: offset + j * model.extent })),
    );
    const made: Field[] = fields.map(({ pair: { layout }, offset, count }) => ({
      layout,
      offset,
      count,
    }));
    const model = Model.copies(copies);
    const extent = random.below(50);
    if (random.chance(0.5)) return { layout: Layout.struct(made), model };
    return { layout: Layout.struct(made, extent), model: model.resized(0, extent) };
  },
];

function anyLayout(random: Random): Pair {
  for (;;) {
    let pair = element(random);
    for (let steps = random.below(4); steps > 0; steps--) pair = random.pick(STEPS)(random, pair);
    if (pair.model.at.length <= 2000) return pair;
  }
}

/** (Vitest compares arrays element by element, and slowly.) */
function expectBytes(found: Uint8Array, expected: Uint8Array, seed: number): void {
  if (Buffer.compare(found, expected) !== 0) expect(found, `seed ${seed}`).toEqual(expected);
}

const SEEDS = 3000;

describe('layouts and the letter of the standard', () => {
  it(`have the same bytes and bounds (${SEEDS} layouts)`, () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const { layout, model } = anyLayout(new Random(seed));
      const low = model.at.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
      const high = model.at.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY) + 1;
      const none = model.at.length === 0;
      const { size, extent, lowerBound, trueExtent, trueLowerBound } = layout;
      expect({ seed, size, extent, lowerBound, trueExtent, trueLowerBound }).toEqual({
        seed,
        size: model.at.length,
        extent: model.extent,
        lowerBound: model.lower,
        trueExtent: none ? 0 : high - low,
        trueLowerBound: none ? 0 : low,
      });
    }
  });

  it(`pack and unpack the same bytes (${SEEDS} layouts)`, () => {
    let packed = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const random = new Random(seed);
      const { layout, model } = anyLayout(random);
      const count = 1 + random.below(3);
      const places = model.blocks([count], [0]).at;
      // The memory begins before the first byte, so that each layout can start at its byte 0.
      const before = Math.max(0, -places.reduce((a, b) => Math.min(a, b), 0));
      const length = before + places.reduce((a, b) => Math.max(a, b), 0) + 1 + random.below(20);
      const odd = random.below(9);
      const memory = new Uint8Array(odd + length + 8).subarray(odd, odd + length);
      for (let i = 0; i < length; i++) memory[i] = random.below(256);
      const shifted = Layout.struct([{ layout, offset: before, count }]);
      const expected = Uint8Array.from(places, (place) => memory[place + before]);

      expectBytes(shifted.pack(memory), expected, seed);
      if (before === 0) expectBytes(layout.pack(memory, count), expected, seed);
      packed += expected.length;

      const bytes = expected
        .map((byte) => byte ^ 0x55)
        .subarray(0, random.below(expected.length + 1));
      const filled = memory.slice();
      for (let i = 0; i < bytes.length; i++) filled[places[i] + before] = bytes[i];
      shifted.unpack(bytes, memory);
      expectBytes(memory, filled, seed);
    }
    expect(packed).toBeGreaterThan(50_000);
  });
});

describe('a layout', () => {
  it('never changes', () => {
    expect(Object.isFrozen(doubles)).toBe(true);
    expect(doubles.vector(2, 1, 3)).not.toBe(doubles);
    expect(doubles.size).toBe(8);
  });

  it('of a matrix of doubles is its column', () => {
    const matrix = Float64Array.from({ length: 12 }, (_, i) => i);
    const column = doubles.vector(3, 1, 4);
    expect(column).toMatchObject({ size: 24, extent: 72, trueExtent: 72 });
    const packed = column.pack(matrix.subarray(1));
    expect(new Float64Array(packed.buffer)).toEqual(Float64Array.of(1, 5, 9));
    column.unpack(packed, matrix.subarray(2));
    expect(Array.from(matrix)).toEqual([0, 1, 1, 3, 4, 5, 5, 7, 8, 9, 9, 11]);
  });

  it('of records interleaves fields of different types', () => {
    const record = Layout.struct(
      [
        { layout: Layout.of(Int32Array), offset: 0 },
        { layout: doubles, offset: 8, count: 2 },
      ],
      32,
    );
    expect(record).toMatchObject({ size: 20, extent: 32, lowerBound: 0, trueExtent: 24 });
    const from = new DataView(new ArrayBuffer(64));
    for (const [i, base] of [0, 32].entries()) {
      from.setInt32(base, i + 1, true);
      from.setFloat64(base + 8, i + 0.5, true);
      from.setFloat64(base + 16, i + 0.25, true);
    }
    const packed = record.pack(from, 2);
    expect(packed.length).toBe(40);
    const to = new DataView(new ArrayBuffer(64));
    record.unpack(packed, to, 2);
    expect(to).toEqual(from);
  });

  it('keeps each bit of a NaN', () => {
    const bits = new BigUint64Array([0x7ff0_0000_0000_0001n, 0n, 0xfff8_dead_beef_0000n, 0n]);
    const column = doubles.vector(2, 1, 2);
    for (let i = 0; i < 20_000; i++) column.pack(bits);
    const packed = column.pack(bits);
    expect(new BigUint64Array(packed.buffer)).toEqual(new BigUint64Array([bits[0], bits[2]]));
  });

  it('has long runs, of any alignment', () => {
    const from = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
    const layout = Layout.of(1).hindexed([1000, 700, 1], [3001, 17, 4999]);
    const expected = Buffer.concat([
      from.subarray(3001, 4001),
      from.subarray(17, 717),
      from.subarray(4999),
    ]);
    expect(Buffer.from(layout.pack(from)).equals(expected)).toBe(true);
    const to = new Uint8Array(5000);
    layout.unpack(expected, to);
    expect(to.filter((byte, i) => byte !== from[i] && byte !== 0)).toEqual(new Uint8Array(0));
    expect(Buffer.from(layout.pack(to)).equals(expected)).toBe(true);
  });

  it('packs into a buffer of the program, and gives the part that it filled', () => {
    const into = new Uint8Array(20).fill(9);
    const packed = doubles.pack(Float64Array.of(0, 0), 2, into);
    expect([packed.buffer, packed.length]).toEqual([into.buffer, 16]);
    expect(Array.from(into.subarray(14))).toEqual([0, 0, 9, 9, 9, 9]);
  });

  it('of nothing has no bytes', () => {
    const none = doubles.vector(0, 3, 5);
    expect(none).toMatchObject({ size: 0, extent: 0, trueExtent: 0 });
    expect(none.pack(new Uint8Array(0), 7).length).toBe(0);
  });
});

const eight = new Uint8Array(8);
const wrong = <Value>(value: unknown) => value as Value;

it.each<[string, string, () => unknown]>([
  ['of nothing', 'ERR_ARG', () => Layout.of(wrong(undefined))],
  ['of a width of 0', 'ERR_ARG', () => Layout.of(0)],
  ['of a width of 1.5', 'ERR_ARG', () => Layout.of(1.5)],
  ['a count below 0', 'ERR_COUNT', () => doubles.contiguous(-1)],
  ['a count of text', 'ERR_COUNT', () => doubles.contiguous(wrong('3'))],
  ['a count of NaN', 'ERR_COUNT', () => doubles.vector(Number.NaN, 1, 1)],
  ['a block length below 0', 'ERR_COUNT', () => doubles.vector(1, -1, 1)],
  ['a stride of a half', 'ERR_ARG', () => doubles.vector(1, 1, 0.5)],
  ['a stride of bytes of text', 'ERR_ARG', () => doubles.hvector(1, 1, wrong('8'))],
  ['a stride beyond numbers', 'ERR_COUNT', () => doubles.vector(2, 1, 2 ** 52)],
  ['a length beyond numbers', 'ERR_COUNT', () => doubles.contiguous(2 ** 51)],
  ['lists of different lengths', 'ERR_ARG', () => doubles.indexed([1, 2], [0])],
  ['a list that is none', 'ERR_ARG', () => doubles.indexed(wrong(3), [0])],
  ['a displacement of text', 'ERR_ARG', () => doubles.indexed([1], [wrong('0')])],
  ['a displacement beyond numbers', 'ERR_COUNT', () => doubles.indexed([1], [2 ** 52])],
  ['a length below 0 in a list', 'ERR_COUNT', () => doubles.hindexed([-1], [0])],
  [
    'displacements of bigints',
    'ERR_ARG',
    () => doubles.indexedBlock(1, wrong(new BigInt64Array(1))),
  ],
  ['no dimensions', 'ERR_ARG', () => doubles.subarray([], [], [])],
  ['dimensions that differ', 'ERR_ARG', () => doubles.subarray([2], [1, 1], [0])],
  ['a part beyond its array', 'ERR_ARG', () => doubles.subarray([4], [3], [2])],
  ['a part before its array', 'ERR_COUNT', () => doubles.subarray([4], [3], [-1])],
  ['an order that is none', 'ERR_ARG', () => doubles.subarray([4], [3], [0], wrong('c'))],
  [
    'a grid of another size',
    'ERR_ARG',
    () => doubles.darray(3, 0, [{ size: 4, kind: 'block', processes: 2 }]),
  ],
  [
    'a rank outside its grid',
    'ERR_ARG',
    () => doubles.darray(2, 2, [{ size: 4, kind: 'block', processes: 2 }]),
  ],
  [
    'blocks too short',
    'ERR_ARG',
    () => doubles.darray(2, 0, [{ size: 5, kind: 'block', processes: 2, arg: 2 }]),
  ],
  [
    'a kind that is none',
    'ERR_ARG',
    () => doubles.darray(1, 0, [{ size: 5, kind: wrong('all'), processes: 1 }]),
  ],
  [
    'nothing dealt out to two',
    'ERR_ARG',
    () => doubles.darray(2, 0, [{ size: 5, kind: 'none', processes: 2 }]),
  ],
  [
    'pieces of 0',
    'ERR_ARG',
    () => doubles.darray(1, 0, [{ size: 5, kind: 'cyclic', processes: 1, arg: 0 }]),
  ],
  ['a dimension that is none', 'ERR_COUNT', () => doubles.darray(1, 0, [wrong(null)])],
  ['fields that are none', 'ERR_ARG', () => Layout.struct(wrong({}))],
  ['a field without a layout', 'ERR_ARG', () => Layout.struct([wrong({ offset: 0 })])],
  ['a field without an offset', 'ERR_ARG', () => Layout.struct([wrong({ layout: doubles })])],
  ['an extent of text', 'ERR_ARG', () => doubles.resized(0, wrong('8'))],
  ['memory that is too short', 'ERR_BUFFER', () => doubles.pack(eight, 2)],
  ['memory that begins too late', 'ERR_BUFFER', () => doubles.indexed([1], [-1]).pack(eight)],
  ['memory that is none', 'ERR_BUFFER', () => doubles.pack(wrong([1]))],
  ['detached memory', 'ERR_BUFFER', () => doubles.pack(detached())],
  ['room that is too little', 'ERR_TRUNCATE', () => doubles.pack(eight, 1, new Uint8Array(7))],
  ['room that is none', 'ERR_BUFFER', () => doubles.pack(eight, 1, wrong(new Float64Array(1)))],
  ['a number of layouts below 0', 'ERR_COUNT', () => doubles.pack(eight, -1)],
  ['too many bytes', 'ERR_TRUNCATE', () => doubles.unpack(new Uint8Array(9), eight)],
  ['bytes that are none', 'ERR_BUFFER', () => doubles.unpack(wrong('12345678'), eight)],
])('%s is %s', (_, code, call) => {
  expect(call).toThrow(expect.objectContaining({ name: 'MpiError', code }));
});

function detached(): Uint8Array {
  const memory = new Uint8Array(8);
  structuredClone(memory, { transfer: [memory.buffer] });
  return memory;
}
