/** The ranks that can never go on, against all subsets; and what a rank tells of itself. */
import { expect, test } from 'vitest';
import { closedSet, reachedFrom } from '../../../../../runtime/messaging/deadlock/closed-set.ts';
import {
  decodeWait,
  encodeWait,
  OPERATIONS_TOLD,
  tableOf,
  type Wait,
} from '../../../../../runtime/messaging/deadlock/waits.ts';
import { Random } from '../../../../tools/random.ts';

const RANKS = 6;

function operation(from: readonly number[]) {
  return {
    operation: 'recv',
    peer: from.length === 1 ? from[0] : -1,
    tag: 1,
    communicator: 'a',
    from,
  };
}

function waitOf(rank: number, mode: Wait['mode'], from: readonly (readonly number[])[]): Wait {
  const operations = from.map(operation);
  return { rank, mode, operations, since: 0, mayGoOn: false, stack: '' };
}

/** By the definition: can every member of the set be released only by members, or by those who have ended? */
function isClosed(set: ReadonlySet<number>, waits: readonly Wait[], ended: ReadonlySet<number>) {
  const dead = (rank: number) => set.has(rank) || ended.has(rank);
  return [...set].every((rank) => {
    const wait = waits.find((one) => one.rank === rank);
    if (wait === undefined || wait.mayGoOn) return false;
    const lost = wait.operations.map(({ from }) => from.every(dead));
    return wait.mode === 'all' ? lost.includes(true) : !lost.includes(false);
  });
}

test('the largest closed set, as by looking at all subsets', () => {
  let found = 0;
  for (let seed = 0; seed < 3000; seed++) {
    const random = new Random(seed);
    const some = () => {
      const ranks = Array.from({ length: RANKS }, (_, rank) => rank).filter(() =>
        random.chance(0.3),
      );
      return ranks.length > 0 ? ranks : [random.below(RANKS)];
    };
    const waits = Array.from({ length: RANKS }, (_, rank) => ({
      ...waitOf(
        rank,
        random.pick(['all', 'any'] as const),
        [some(), some()].slice(random.below(2)),
      ),
      mayGoOn: random.chance(0.15),
    })).filter(() => random.chance(0.8));
    const ended = new Set(
      Array.from({ length: RANKS }, (_, rank) => rank).filter(
        (rank) => !waits.some((wait) => wait.rank === rank) && random.chance(0.5),
      ),
    );
    let union = new Set<number>();
    for (let bits = 1; bits < 2 ** RANKS; bits++) {
      const set = new Set(
        Array.from({ length: RANKS }, (_, rank) => rank).filter((r) => bits & (1 << r)),
      );
      if (isClosed(set, waits, ended)) union = new Set([...union, ...set]);
    }
    if (union.size > 0) found++;
    expect([...closedSet(waits, (rank) => ended.has(rank))].sort()).toEqual([...union].sort());
  }
  // There were enough of both.
  expect(found).toBeGreaterThan(500);
  expect(found).toBeLessThan(2900);
});

test('a table tells of those that a rank depends on, the rank first', () => {
  const waits = [
    waitOf(0, 'all', [[1]]),
    waitOf(1, 'all', [[2]]),
    waitOf(2, 'any', [[1]]),
    waitOf(3, 'all', [[4]]),
  ];
  expect(reachedFrom(1, waits).map(({ rank }) => rank)).toEqual([1, 2]);
  expect(tableOf([{ ...waits[0], stack: '    at a.js:1:2' }])).toBe(
    '  rank 0 waits in recv(rank 1, tag 1) of a\n      at a.js:1:2',
  );
});

test('what is written fits, and says when something was left out', () => {
  const many = waitOf(
    1,
    'any',
    Array.from({ length: 1000 }, (_, i) => [i]),
  );
  const told = decodeWait(encodeWait({ ...many, stack: 'ä'.repeat(5000) }, 4000));
  expect(told?.operations.length).toBe(OPERATIONS_TOLD);
  // Any of those that are left out may end it.
  expect(told?.mayGoOn).toBe(true);
  const wide = waitOf(1, 'all', [Array.from({ length: 250 }, (_, rank) => rank)]);
  const text = encodeWait({ ...wide, stack: 'x'.repeat(5000) }, 1500);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(1500);
  expect(decodeWait(text)?.operations).toEqual(wide.operations);
  expect(decodeWait('{"rank":1}')).toBeUndefined();
  expect(decodeWait('no JSON')).toBeUndefined();
});
