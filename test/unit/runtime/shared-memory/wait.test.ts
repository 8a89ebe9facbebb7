/** Waiting for words of shared memory, within one process: what Atomics.wait would say. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type MpiError,
  notify,
  SharedMemory,
  wait,
  waitAsync,
} from '../../../../runtime/shared.ts';
import { WAITS_MAX } from '../../../../runtime/shared-memory/wait.ts';

/** The code of the error that a call throws, or its promise. */
async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    return (error as MpiError).code;
  }
  return 'no error';
}

let memory: SharedMemory;
let words: Int32Array;
let wide: BigInt64Array;
beforeEach(() => {
  memory = SharedMemory.create(4096 * 8);
  words = new Int32Array(memory.buffer);
  wide = new BigInt64Array(memory.buffer);
});
afterEach(() => memory.close());

describe.each(['blocking', 'awaited'])('%s', (how) => {
  const waits = async (
    array: Int32Array | BigInt64Array,
    ...rest: [number, number | bigint, number?]
  ) => {
    const call = how === 'blocking' ? wait : waitAsync;
    return call(array as Int32Array, ...(rest as [number, number, number?]));
  };

  test('another value, or no time', async () => {
    words[1] = -5;
    wide[4] = -(2n ** 40n);
    expect(await waits(words, 1, 5)).toBe('not-equal');
    expect(await waits(words, 1, -5, 0)).toBe('timed-out');
    expect(await waits(words, 1, -5, 1.5)).toBe('timed-out');
    expect(await waits(words, 1, -5, -1)).toBe('timed-out');
    expect(await waits(wide, 4, 0n)).toBe('not-equal');
    // Only one half is another one.
    expect(await waits(wide, 4, -(2n ** 41n))).toBe('not-equal');
    expect(await waits(wide, 4, -(2n ** 40n) + 1n)).toBe('not-equal');
    expect(await waits(wide, 4, -(2n ** 40n), 1)).toBe('timed-out');
  });

  test.each<[string, () => Promise<unknown>, string]>([
    ['a Uint32Array', () => waits(new Uint32Array(memory.buffer) as never, 0, 0), 'ERR_BUFFER'],
    ['no array', () => waits(null as never, 0, 0), 'ERR_BUFFER'],
    ['an index behind the end', () => waits(words, 8192, 0), 'ERR_ARG'],
    ['a negative index', () => waits(words, -1, 0), 'ERR_ARG'],
    ['half an index', () => waits(words, 0.5, 0), 'ERR_ARG'],
    ['a value of 33 bits', () => waits(words, 0, 2 ** 31), 'ERR_ARG'],
    ['half a value', () => waits(words, 0, 0.5), 'ERR_ARG'],
    ['a bigint for a number', () => waits(words, 0, 0n), 'ERR_ARG'],
    ['a number for a bigint', () => waits(wide, 0, 0), 'ERR_ARG'],
    ['a value of 65 bits', () => waits(wide, 0, 2n ** 63n), 'ERR_ARG'],
    ['a text for a time', () => waits(words, 0, 0, '1' as never), 'ERR_ARG'],
  ])('%s', async (_, call, code) => {
    expect(await codeOf(call)).toBe(code);
  });
});

test('notify says how many it woke, and wakes those who came first', async () => {
  const order: number[] = [];
  const waits = [0, 1, 2, 3].map(async (each) => {
    expect(await waitAsync(words, 9, 0)).toBe('ok');
    order.push(each);
  });
  expect(notify(words, 8)).toBe(0);
  expect(notify(words, 9, 0)).toBe(0);
  expect(notify(words, 9, 1)).toBe(1);
  await waits[0];
  expect(notify(words, 9, 2)).toBe(2);
  await Promise.all(waits.slice(0, 3));
  expect(notify(words, 9)).toBe(1);
  await Promise.all(waits);
  expect(order[0]).toBe(0);
  expect(order[3]).toBe(3);
  expect(notify(words, 9)).toBe(0);
});

test('who waits for 64 bits is notified by their index', async () => {
  const ended = waitAsync(wide, 3, 0n);
  expect(notify(wide, 2)).toBe(0);
  expect(notify(wide, 3)).toBe(1);
  expect(await ended).toBe('ok');
  expect(notify(wide, 3)).toBe(0);
});

test('one notified by another view of the same memory', async () => {
  const again = SharedMemory.open(memory.fd);
  const other = new Int32Array(again.buffer, 400);
  const ended = again.waitAsync(other, 2, 0);
  expect(memory.notify(words, 102)).toBe(1);
  expect(await ended).toBe('ok');
  again.close();
});

test('what is notified has a count from 0 on', () => {
  for (const bad of [-1, 0.5, Number.NaN, '1' as never])
    expect(() => notify(words, 0, bad)).toThrow(/is no number of waits/);
});

test('a closed memory waits for nobody', async () => {
  memory.close();
  expect(await codeOf(() => memory.wait(words, 0, 0))).toBe('ERR_CLOSED');
  expect(await codeOf(() => memory.waitAsync(words, 0, 0))).toBe('ERR_CLOSED');
  expect(await codeOf(() => memory.notify(words, 0))).toBe('ERR_CLOSED');
  expect(memory.fd).toBe(-1);
  memory.close();
});

test('of threads that wait there are so many at most, and they are given back', async () => {
  const waits = Array.from({ length: WAITS_MAX }, (_, index) => waitAsync(words, index, 0));
  expect(await codeOf(() => waitAsync(words, 0, 0))).toBe('ERR_NO_MEM');
  for (let index = 0; index < WAITS_MAX; index++) expect(notify(words, index)).toBe(1);
  expect(new Set(await Promise.all(waits))).toEqual(new Set(['ok']));
  const one = waitAsync(words, 0, 0);
  expect(notify(words, 0)).toBe(1);
  expect(await one).toBe('ok');
});

test('a worker that ends with waits under way leaves none behind', async () => {
  const code = `
    import { workerData } from 'node:worker_threads';
    import { SharedMemory } from ${JSON.stringify(new URL('../../../../dist/runtime/shared.js', import.meta.url).href)};
    const memory = SharedMemory.open(workerData);
    const words = new Int32Array(memory.buffer);
    for (let i = 0; i < 10; i++) memory.waitAsync(words, 5, 0);
    process.exit();`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  const worker = new Worker(url, { workerData: memory.fd });
  await once(worker, 'exit');
  while (notify(words, 5) !== 0) await new Promise(setImmediate);
});
