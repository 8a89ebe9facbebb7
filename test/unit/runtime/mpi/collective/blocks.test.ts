import { expect, test } from 'vitest';
import { blocksOf, commonType, totalBytes } from '../../../../../runtime/mpi/collective/blocks.ts';
import { range, wrapped } from '../../../../../runtime/mpi/collective/copy.ts';
import { copyOf } from '../../../../../runtime/mpi/datatype/data.ts';

const data = Float64Array.from({ length: 10 }, (_, i) => i);
const numbers = (payload: unknown) => [...new Float64Array(copyOf(payload as Uint8Array).buffer)];

test('counts, one behind the other or at displacements', () => {
  const behind = blocksOf('gatherv', 'receive', { data, counts: [2, 0, 3] }, 3);
  expect(behind.payloads.map(numbers)).toEqual([[0, 1], [], [2, 3, 4]]);
  expect(totalBytes(behind)).toBe(40);
  const apart = blocksOf('gatherv', 'send', { data, counts: [2, 1], displs: [8, 0] }, 2);
  expect(apart.payloads.map(numbers)).toEqual([[8, 9], [0]]);
});

test('views, elements that lie apart, and none', () => {
  const column = { data, shape: [3], stride: [3], offset: 1 };
  const list = blocksOf('alltoallv', 'send', [data.subarray(4, 6), column, null], 3);
  expect(list.payloads.map(numbers)).toEqual([[4, 5], [1, 4, 7], []]);
  expect(commonType(blocksOf('alltoallv', 'send', [data, column], 2))).toBe(11);
  expect(commonType(blocksOf('alltoallv', 'send', [data, new Int32Array(1)], 2))).toBe(-1);
});

test.each<[unknown, string]>([
  [undefined, 'ERR_ARG'],
  ['blocks', 'ERR_ARG'],
  [data, 'ERR_ARG'],
  [[data], 'ERR_COUNT'],
  [{ data, counts: [1] }, 'ERR_COUNT'],
  [{ data, counts: 2 }, 'ERR_COUNT'],
  [{ data, counts: [5, 6] }, 'ERR_COUNT'],
  [{ data, counts: [1, 1.5] }, 'ERR_COUNT'],
  [{ data, counts: [1, 1], displs: [0] }, 'ERR_COUNT'],
  [{ data, counts: [1, 1], displs: [0, -1] }, 'ERR_COUNT'],
  [{ data: 'text', counts: [1, 1] }, 'ERR_BUFFER'],
  [[data, 'text'], 'ERR_BUFFER'],
])('what are no blocks: %o is %s', (blocks, code) => {
  expect(() => blocksOf('scatterv', 'send', blocks as never, 2)).toThrow(
    expect.objectContaining({ code }),
  );
});

test('a message of two pieces of a ring', () => {
  const ring = Uint8Array.from({ length: 8 }, (_, i) => i);
  const message = wrapped(ring, 6, 5);
  expect([...copyOf(message)]).toEqual([6, 7, 0, 1, 2]);
  expect([...copyOf(range(message, 1, 4))]).toEqual([7, 0, 1]);
  expect([...copyOf(wrapped(ring, 2, 6))]).toEqual([2, 3, 4, 5, 6, 7]);
  const part = range(message, 1, 4) as Exclude<ReturnType<typeof range>, Uint8Array>;
  part.unpack(1, 2, Uint8Array.of(0, 90, 91), 1);
  expect([...ring]).toEqual([90, 91, 2, 3, 4, 5, 6, 7]);
});
