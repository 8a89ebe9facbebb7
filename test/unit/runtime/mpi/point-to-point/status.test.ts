import { expect, test } from 'vitest';
import { ANY_TAG, PROC_NULL, Status } from '../../../../../runtime/index.ts';

test.each([
  [0, Float64Array, 0],
  [8, Float64Array, 1],
  [12, Float64Array, undefined],
  [12, Int32Array, 3],
  [7, Uint8Array, 7],
  [2 ** 40, BigInt64Array, 2 ** 37],
  [2 ** 31 + 1, 2, undefined],
  [24, 12, 2],
  [25, 12, undefined],
])('%i bytes are counted in elements', (byteLength, type, count) => {
  const status = new Status();
  status.byteLength = byteLength;
  expect(status.count(type)).toBe(count);
});

test('what PROC_NULL yields', () => {
  const status = new Status();
  status.byteLength = 9;
  expect({ ...status.setNull() }).toEqual({ source: PROC_NULL, tag: ANY_TAG, byteLength: 0 });
});

test.each([0, -8, 0.5, Number.NaN, null, undefined, 'Float64Array', 8n, {}, () => 8])(
  '%s has no width to count by',
  (type) => {
    expect(() => new Status().count(type as never)).toThrow(
      expect.objectContaining({ name: 'MpiError', code: 'ERR_ARG' }),
    );
  },
);
