/** What may be sent: views of every kind, and what is no buffer (any more). */
import { constants } from 'node:buffer';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { PROC_NULL } from '../../../../../runtime/index.ts';
import { bytesOf, type MessageBuffer } from '../../../../../runtime/mpi/point-to-point/buffer.ts';

const detach = (buffer: ArrayBuffer) => structuredClone(buffer, { transfer: [buffer] });
const refused = expect.objectContaining({ name: 'MpiError', code: 'ERR_BUFFER' });

const ARRAYS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
];

describe.each(ARRAYS.map((type) => [type.name, type] as const))('%s', (_name, type) => {
  test('its offset and length count', () => {
    const memory = new ArrayBuffer(256);
    const view = new type(memory, 16, 5);
    const bytes = bytesOf(view);
    expect(bytes.buffer).toBe(memory);
    expect([bytes.byteOffset, bytes.length]).toEqual([16, 5 * type.BYTES_PER_ELEMENT]);
    expect(bytesOf(view)).toBe(bytes);
  });

  test('may be empty', () => {
    expect(bytesOf(new type(0)).length).toBe(0);
    expect(bytesOf(new type(new ArrayBuffer(64), 8, 0)).length).toBe(0);
  });

  test('is refused once it is detached, though it was used before', () => {
    const view = new type(8);
    bytesOf(view);
    detach(view.buffer);
    expect(() => bytesOf(view)).toThrow(refused);
    const empty = new type(0);
    detach(empty.buffer);
    expect(() => bytesOf(empty)).toThrow(refused);
  });

  test('is refused where its memory shrank below it, and taken again when it grew', () => {
    const memory = new ArrayBuffer(128, { maxByteLength: 256 });
    const view = new type(memory, 64, 4);
    expect(bytesOf(view).length).toBe(4 * type.BYTES_PER_ELEMENT);
    memory.resize(64);
    expect(() => bytesOf(view)).toThrow(refused);
    memory.resize(128);
    expect(bytesOf(view).length).toBe(4 * type.BYTES_PER_ELEMENT);
  });

  test('that tracks its length has the one that it has now', () => {
    const memory = new ArrayBuffer(64, { maxByteLength: 256 });
    const view = new type(memory);
    for (const length of [64, 128, 8, 256, 0, 64]) {
      memory.resize(length);
      expect(bytesOf(view).length).toBe(length);
    }
  });
});

test('a DataView: offset, detached, shrunk', () => {
  const memory = new ArrayBuffer(64, { maxByteLength: 64 });
  const view = new DataView(memory, 8, 20);
  expect([bytesOf(view).byteOffset, bytesOf(view).length]).toEqual([8, 20]);
  memory.resize(10);
  expect(() => bytesOf(view)).toThrow(refused);
  memory.resize(64);
  expect(bytesOf(view).length).toBe(20);
  detach(memory);
  expect(() => bytesOf(view)).toThrow(refused);
});

test('an ArrayBuffer: whole, resized, detached, empty', () => {
  const memory = new ArrayBuffer(10, { maxByteLength: 30 });
  expect(bytesOf(memory).length).toBe(10);
  memory.resize(30);
  expect(bytesOf(memory).length).toBe(30);
  memory.resize(0);
  expect(bytesOf(memory).length).toBe(0);
  detach(memory);
  expect(() => bytesOf(memory)).toThrow(refused);
  expect(bytesOf(new ArrayBuffer(0)).length).toBe(0);
});

test('a SharedArrayBuffer, growing, and views of it', () => {
  const memory = new SharedArrayBuffer(16, { maxByteLength: 64 });
  expect(bytesOf(memory).length).toBe(16);
  memory.grow(64);
  expect(bytesOf(memory).length).toBe(64);
  expect(bytesOf(new Int32Array(memory, 8, 2)).length).toBe(8);
  expect(bytesOf(new DataView(memory, 8, 2)).buffer).toBe(memory);
});

test('a Buffer of the pool is the part that it is', () => {
  const buffer = Buffer.from('some text');
  expect(Buffer.from(bytesOf(buffer)).toString()).toBe('some text');
  expect(bytesOf(buffer).length).toBe(9);
});

test.each([[null], [undefined], [5], ['text'], [[1, 2, 3]], [{ byteLength: 8 }], [() => {}], [8n]])(
  '%s is no buffer',
  (value) => {
    expect(() => bytesOf(value as unknown as MessageBuffer)).toThrow(refused);
  },
);

test('what another realm made is taken, and refused where its memory is gone', () => {
  for (const type of [
    'Uint8Array',
    'Float64Array',
    'DataView',
    'ArrayBuffer',
    'SharedArrayBuffer',
  ]) {
    const whole = type.endsWith('Buffer');
    const foreign = runInNewContext(whole ? `new ${type}(8)` : `new ${type}(new ArrayBuffer(8))`);
    expect(foreign).not.toBeInstanceOf((globalThis as never)[type]);
    expect(bytesOf(foreign).length).toBe(8);
    if (type === 'SharedArrayBuffer') continue;
    detach(whole ? foreign : foreign.buffer);
    expect(() => bytesOf(foreign)).toThrow(refused);
  }
});

test('null is a buffer for PROC_NULL only', () => {
  expect(bytesOf(null, PROC_NULL).length).toBe(0);
  expect(() => bytesOf(null, 0)).toThrow(refused);
  expect(() => bytesOf(5 as never, PROC_NULL)).toThrow(refused);
});

// Node 20 makes no longer arrays of bytes; from 22 on there is no such memory.
test.skipIf(constants.MAX_LENGTH > 2 ** 32)('memory that is longer than an array can be', () => {
  const memory = new ArrayBuffer(2 ** 32 + 8);
  expect(() => bytesOf(memory)).toThrow(refused);
  expect(() => bytesOf(new Float64Array(memory))).toThrow(/in parts/);
  expect(bytesOf(new DataView(memory, 2 ** 32)).length).toBe(8);
});
