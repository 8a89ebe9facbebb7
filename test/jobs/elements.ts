/** What jobs of collective operations share: arrays of every type, every algorithm, and both habits. */
import assert from 'node:assert/strict';
import type { Elements, Request } from '../../runtime/index.ts';
import { forgetOverrides, LINES, type Table } from '../../runtime/mpi/collective/select.ts';
import { rank } from './ring.ts';

/** A typed array's constructor. */
export type Maker = { new (length: number): Elements; readonly BYTES_PER_ELEMENT: number };

const { Float16Array } = globalThis as { Float16Array?: Maker };

/** Every type of elements that this Node has. */
export const MAKERS: readonly Maker[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
  Float32Array,
  Float64Array,
  ...(Float16Array === undefined ? [] : [Float16Array]),
];

/** Elements that a seed decides; each type can hold them. */
export function elements(count: number, seed: number): Float64Array;
export function elements(count: number, seed: number, make: Maker): Elements;
export function elements(count: number, seed: number, make: Maker = Float64Array): Elements {
  const array = new make(count);
  const big = array instanceof BigInt64Array || array instanceof BigUint64Array;
  for (let i = 0; i < count; i++) {
    const value = (i * 7 + seed * 13) % 101;
    (array as Float64Array)[i] = (big ? BigInt(value) : value) as number;
  }
  return array;
}

/** Arrays one behind the other. */
export function joined<A extends Elements>(parts: readonly A[], make: Maker = Float64Array): A {
  const all = new make(parts.reduce((sum, { length }) => sum + length, 0)) as unknown as Uint8Array;
  let at = 0;
  for (const part of parts) {
    all.set(part as unknown as Uint8Array, at);
    at += part.length;
  }
  return all as unknown as A;
}

/** Both are of the same type and have the same elements. */
export function checkEqual(found: unknown, expected: Elements, what: string): void {
  const bytes = (array: Elements) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  const array = found as Elements;
  assert.equal(array?.constructor, expected.constructor, `${what}: another type`);
  assert.equal(array.length, expected.length, `${what}: another length`);
  if (bytes(array).equals(bytes(expected))) return;
  assert.deepEqual([...array].slice(0, 40), [...expected].slice(0, 40), what);
  assert.fail(`${what}: elements differ`);
}

let calls = 0;

/** Some ranks block, others await, and it changes from call to call. */
export async function inEitherHabit<R>(sync: () => R, started: () => Request<R>): Promise<R> {
  calls++;
  return (calls + rank) % 2 === 0 ? sync() : started();
}

/** With each algorithm of the operation, and with the one that is chosen. */
export async function byEachAlgorithm(
  { operation, algorithms, lines }: Table<never>,
  check: (name: string) => Promise<void>,
): Promise<void> {
  const name = `DREG_COLL_${operation}`;
  try {
    const names = algorithms.map((each) => each.name);
    for (const one of ['', ...(lines === undefined ? [] : [LINES]), ...names]) {
      process.env[name] = one;
      forgetOverrides();
      await check(one || 'the chosen one');
    }
  } finally {
    delete process.env[name];
    forgetOverrides();
  }
}
