import { describe, expect, test } from 'vitest';
import {
  belongsTo,
  CALL_NUMBERS,
  callInWords,
  numberNear,
  OPERATIONS,
  operationOfTag,
  type Signature,
  tagOf,
  tagOfType,
} from '../../../../../runtime/mpi/collective/signature.ts';

const BASE: Signature = { operation: 'reduce', type: 11, count: 100, root: 3, op: 'SUM' };

describe('the tag of a call', () => {
  test('is one that a message can have, and no partitioned operation has', () => {
    for (const operation of OPERATIONS)
      for (const number of [1, CALL_NUMBERS - 1, CALL_NUMBERS, 10 * CALL_NUMBERS + 5, -1, -7]) {
        const tag = tagOf({ ...BASE, operation }, number, 3);
        expect(tag).toBeGreaterThanOrEqual(0);
        expect(tag).toBeLessThan(2 ** 29);
        expect(operationOfTag(tag)).toBe(operation);
      }
  });

  test('differs with any one field', () => {
    const tag = tagOf(BASE, 5, 1);
    const differs = (other: number) => expect(other).not.toBe(tag);
    for (let by = 1; by < 4096; by++) {
      differs(tagOf({ ...BASE, root: BASE.root + by }, 5, 1));
      differs(tagOf({ ...BASE, count: BASE.count + by }, 5, 1));
    }
    for (let type = -1; type < 11; type++) differs(tagOf({ ...BASE, type }, 5, 1));
    for (const operation of OPERATIONS)
      if (operation !== 'reduce') differs(tagOf({ ...BASE, operation }, 5, 1));
    for (const op of ['PROD', 'MIN', 'MAX', 'AVG', null]) differs(tagOf({ ...BASE, op }, 5, 1));
    for (const algorithm of [0, 2, 3]) differs(tagOf(BASE, 5, algorithm));
    for (const number of [4, 6, -5]) differs(tagOf(BASE, number, 1));
  });

  test('has the number of a call near another one', () => {
    for (const near of [1, 600, CALL_NUMBERS, 5000])
      for (const number of [near, near + 1, near + 500, Math.max(1, near - 400)])
        expect(numberNear(tagOf(BASE, number, 1), near)).toBe(number);
    expect(numberNear(tagOf(BASE, -3, 1), 3)).toBeNull();
  });

  test('is that of its call, or of a block of alltoallv with a type of its own', () => {
    const alltoallv = tagOf({ ...BASE, operation: 'alltoallv' }, 5, 1);
    const reduce = tagOf(BASE, 5, 1);
    expect(belongsTo(alltoallv, alltoallv)).toBe(true);
    expect(belongsTo(tagOfType(alltoallv, 4), alltoallv)).toBe(true);
    for (const operation of ['neighborAllgatherv', 'neighborAlltoallv'] as const) {
      const its = tagOf({ ...BASE, operation }, 5, 1);
      expect(belongsTo(tagOfType(its, 4), its)).toBe(true);
      expect(belongsTo(tagOfType(its, 4), alltoallv)).toBe(false);
    }
    expect(belongsTo(tagOfType(reduce, 4), reduce)).toBe(false);
    expect(belongsTo(reduce, alltoallv)).toBe(false);
    const tags = new Set(Array.from({ length: 12 }, (_, type) => tagOfType(alltoallv, type)));
    expect(tags.size).toBe(12);
  });
});

test.each<[Signature, string]>([
  [BASE, 'reduce(100 elements of Float64Array, SUM, root 3)'],
  [{ operation: 'barrier', type: -1, count: -1, root: -1, op: null }, 'barrier()'],
  [
    { operation: 'gatherv', type: 6, count: -1, root: 0, op: null },
    'gatherv(elements of Int32Array, root 0)',
  ],
  [
    { operation: 'bcast', type: 0, count: 1, root: 0, op: null },
    'bcast(1 element of Uint8Array, root 0)',
  ],
])('a call in words: $1', (signature, words) => {
  expect(callInWords(signature)).toBe(words);
});
