import { describe, expect, it } from 'vitest';
import { type Data, payloadOf, roomOf } from '../../../../../runtime/mpi/datatype/data.ts';
import { LaidBytes } from '../../../../../runtime/mpi/datatype/laid-bytes.ts';
import { Layout } from '../../../../../runtime/mpi/datatype/layout.ts';
import { Random } from '../../../../tools/random.ts';

const KINDS = [Uint8Array, Int16Array, Float32Array, Float64Array, BigInt64Array] as const;

/** A strided array within some data, and the indices of its elements in their order. */
function anyStrided(random: Random) {
  const kind = random.pick(KINDS);
  const shape = Array.from({ length: random.below(4) }, () => random.below(6));
  const stride = shape.map(() => random.below(15) - 7);
  let indices = [0];
  for (const [i, count] of shape.entries())
    indices = indices.flatMap((at) => Array.from({ length: count }, (_, k) => at + k * stride[i]));
  const offset = -indices.reduce((a, b) => Math.min(a, b), 0) + random.below(5);
  const length = indices.reduce((a, b) => Math.max(a, b), 0) + offset + 1 + random.below(5);
  const bytes = new Uint8Array(8 + length * kind.BYTES_PER_ELEMENT).map(() => random.below(256));
  const data = new kind(bytes.buffer, 8 - (8 % kind.BYTES_PER_ELEMENT), length);
  return { data, shape, stride, offset, indices: indices.map((at) => at + offset) };
}

const bytesIn = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  new Uint8Array(buffer, byteOffset, byteLength);

const PARTS = 2000;

it(`strided arrays in any stretch (${PARTS} arrays)`, () => {
  let laid = 0;
  for (let seed = 0; seed < PARTS; seed++) {
    const random = new Random(seed);
    const { data, shape, stride, offset, indices } = anyStrided(random);
    const width = data.BYTES_PER_ELEMENT;
    const bytes = bytesIn(data);
    const places = indices.flatMap((at) => Array.from({ length: width }, (_, k) => at * width + k));
    const expected = Uint8Array.from(places, (place) => bytes[place]);
    const payload = payloadOf({ data, shape, stride, offset }, 0);
    if (!(payload instanceof LaidBytes)) {
      expect(Array.from(payload as Uint8Array), `seed ${seed}`).toEqual(Array.from(expected));
      continue;
    }
    laid++;
    expect([payload.length, payload.intact]).toEqual([expected.length, true]);
    const from = random.below(expected.length);
    const length = random.below(expected.length - from) + 1;
    const at = random.below(9);
    const packed = new Uint8Array(at + length + 3);
    payload.pack(from, length, packed, at);
    const wanted = new Uint8Array(packed.length);
    wanted.set(expected.subarray(from, from + length), at);
    expect(packed, `seed ${seed}`).toEqual(wanted);

    const filled = bytes.slice();
    const news = packed.map((byte) => byte ^ 0xaa);
    for (let i = 0; i < length; i++) filled[places[from + i]] = news[at + i];
    payload.unpack(from, length, news, at);
    expect(bytes, `seed ${seed}`).toEqual(filled);
  }
  expect(laid).toBeGreaterThan(PARTS / 3);
});

describe('what lies side by side is a plain view', () => {
  const data = Float64Array.from({ length: 12 }, (_, i) => i);
  it.each<[string, Data, number[]]>([
    ['all of an array', { data, shape: [3, 4], stride: [4, 1], offset: 0 }, Array.from(data)],
    ['one row', { data, shape: [4], stride: [1], offset: 4 }, [4, 5, 6, 7]],
    ['one element', { data, shape: [], stride: [], offset: 7 }, [7]],
    ['dimensions of one', { data, shape: [1, 2, 1], stride: [9, 1, -5], offset: 2 }, [2, 3]],
    ['nothing', { data, shape: [0, 3], stride: [1, 1], offset: 99 }, []],
    [
      'a layout of one run',
      { data, layout: Layout.of(8).contiguous(2), count: 2, offset: 8 },
      [1, 2, 3, 4],
    ],
  ])('%s', (_, strided, numbers) => {
    const payload = payloadOf(strided, 0) as Uint8Array;
    expect(payload).toBeInstanceOf(Uint8Array);
    expect(payload.buffer).toBe(data.buffer);
    expect(Array.from(new Float64Array(payload.slice().buffer))).toEqual(numbers);
  });
});

it('knows when its memory is gone', () => {
  const data = new Float64Array(10);
  const payload = payloadOf({ data, shape: [2], stride: [9], offset: 0 }, 0) as LaidBytes;
  expect(payload.intact).toBe(true);
  structuredClone(data, { transfer: [data.buffer] });
  expect(payload.intact).toBe(false);
});

it('finds its memory in an array that has grown', () => {
  const memory = new ArrayBuffer(16, { maxByteLength: 64 });
  const data = new Float64Array(memory);
  const strided = (rows: number) => ({ data, shape: [rows], stride: [2], offset: 0 });
  expect(() => payloadOf(strided(2), 0)).toThrow(expect.objectContaining({ code: 'ERR_BUFFER' }));
  memory.resize(32);
  data[2] = 7;
  const payload = payloadOf(strided(2), 0) as LaidBytes;
  const packed = new Float64Array(2);
  payload.pack(0, 16, new Uint8Array(packed.buffer), 0);
  expect(Array.from(packed)).toEqual([0, 7]);
  memory.resize(16);
  expect(payload.intact).toBe(false);
});

const data = new Float64Array(10);
const layout = Layout.of(Float64Array).vector(2, 1, 3);
const gone = new Float64Array(4);
structuredClone(gone, { transfer: [gone.buffer] });

it.each<[string, string, unknown]>([
  ['no data', 'ERR_BUFFER', { shape: [1], stride: [1], offset: 0 }],
  ['data in a plain array', 'ERR_BUFFER', { data: [1, 2], shape: [2], stride: [1], offset: 0 }],
  ['detached data', 'ERR_BUFFER', { data: gone, shape: [2], stride: [1], offset: 0 }],
  [
    'a DataView',
    'ERR_BUFFER',
    { data: new DataView(data.buffer), shape: [1], stride: [1], offset: 0 },
  ],
  ['a shape that is a number', 'ERR_ARG', { data, shape: 3, stride: [1], offset: 0 }],
  ['no strides', 'ERR_ARG', { data, shape: [3], offset: 0 }],
  ['a stride too few', 'ERR_ARG', { data, shape: [3, 2], stride: [1], offset: 0 }],
  ['no offset', 'ERR_ARG', { data, shape: [3], stride: [1] }],
  ['a stride of a half', 'ERR_ARG', { data, shape: [3], stride: [0.5], offset: 0 }],
  ['a stride of text', 'ERR_ARG', { data, shape: [3], stride: ['1'], offset: 0 }],
  ['a dimension below 0', 'ERR_COUNT', { data, shape: [-1], stride: [1], offset: 0 }],
  ['a dimension of NaN', 'ERR_COUNT', { data, shape: [Number.NaN], stride: [1], offset: 0 }],
  ['elements behind the data', 'ERR_BUFFER', { data, shape: [4], stride: [3], offset: 1 }],
  ['elements before the data', 'ERR_BUFFER', { data, shape: [4], stride: [-3], offset: 8 }],
  ['an offset beyond the data', 'ERR_BUFFER', { data, shape: [1], stride: [1], offset: 10 }],
  [
    'a size beyond numbers',
    'ERR_COUNT',
    { data, shape: [2 ** 30, 2 ** 30], stride: [0, 0], offset: 0 },
  ],
  ['a layout that is none', 'ERR_ARG', { data, layout: {} }],
  ['no data under a layout', 'ERR_BUFFER', { layout }],
  ['a layout beyond the data', 'ERR_BUFFER', { data, layout, count: 3 }],
  ['a layout before the data', 'ERR_BUFFER', { data, layout, offset: -1 }],
  ['a count of text', 'ERR_COUNT', { data, layout, count: '1' }],
  ['a count below 0', 'ERR_COUNT', { data, layout, count: -1 }],
  ['an offset of a half', 'ERR_ARG', { data, layout, offset: 0.5 }],
  ['an object', 'ERR_BUFFER', {}],
  ['an array', 'ERR_BUFFER', [1, 2]],
  ['text', 'ERR_BUFFER', 'text'],
])('%s is %s', (_, code, bad) => {
  expect(() => payloadOf(bad as Data, 0)).toThrow(
    expect.objectContaining({ name: 'MpiError', code }),
  );
});

it('a receive has no elements that lie on each other', () => {
  const same = { data, shape: [3], stride: [0], offset: 0 };
  expect(payloadOf(same, 0).length).toBe(24);
  expect(() => roomOf(same, 0)).toThrow(expect.objectContaining({ code: 'ERR_BUFFER' }));
  expect(roomOf({ ...same, shape: [1] }, 0).length).toBe(8);
});
