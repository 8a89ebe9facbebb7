/** Groups against plain arrays, with random sets and ranges. */
import { describe, expect, test } from 'vitest';
import { PROC_NULL } from '../../../../runtime/base/constants.ts';
import { Group, type RankRange } from '../../../../runtime/mpi/group.ts';
import { codeOf } from '../../../tools/error-code.ts';
import { Random } from '../../../tools/random.ts';

const WORLD = 40;
const SELF = 7;
const world = Group.ofWorld(SELF, WORLD);

/** Ranks of the world: none, all, a range, a sparse few, any; in order, backwards or shuffled. */
function members(random: Random, size = WORLD): number[] {
  const all = Array.from({ length: size }, (_, rank) => rank);
  const kind = random.below(5);
  if (kind === 0) return random.below(3) === 0 ? [] : all;
  if (kind === 1) {
    const stride = 1 + random.below(5);
    const some = all.filter((rank) => rank % stride === 0);
    return random.below(2) === 0 ? some : some.reverse();
  }
  const keep = kind === 2 ? 2 : 1 + random.below(size);
  const shuffled = [...all];
  for (let i = size - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
  }
  return kind === 3 ? all.filter(() => random.below(2) === 0) : shuffled.slice(0, keep);
}

const groupOf = (worlds: number[]) => Group.of(SELF, Int32Array.from(worlds));

function check(group: Group, model: number[]): void {
  expect([...group]).toEqual(model);
  expect([group.size, group.rank]).toEqual([model.length, model.indexOf(SELF)]);
  const asked = Array.from({ length: WORLD + 2 }, (_, i) => i - 1);
  expect(asked.map((rank) => group.rankOf(rank))).toEqual(asked.map((rank) => model.indexOf(rank)));
  expect(model.map((_, rank) => group.worldOf(rank))).toEqual(model);
}

describe.each([1, 2, 3, 4, 5, 6])('a group does what an array does (seed %i)', (seed) => {
  test('as sets', () => {
    const random = new Random(seed);
    for (let step = 0; step < 150; step++) {
      const a = members(random);
      const b = random.below(6) === 0 ? [...a].reverse() : members(random);
      const [left, right] = [groupOf(a), groupOf(b)];
      check(left, a);
      check(left.union(right), [...a, ...b.filter((each) => !a.includes(each))]);
      check(
        left.intersection(right),
        a.filter((each) => b.includes(each)),
      );
      check(
        left.difference(right),
        a.filter((each) => !b.includes(each)),
      );
      const similar = a.length === b.length && a.every((each) => b.includes(each));
      const same = similar && a.every((each, rank) => each === b[rank]);
      expect(left.compare(right)).toBe(same ? 'same' : similar ? 'similar' : 'unequal');
      const asked = a.map((_, rank) => rank).filter(() => random.below(2) === 0);
      const there = asked.map((rank) => b.indexOf(a[rank]));
      expect([...left.translate([...asked, PROC_NULL], right)]).toEqual([...there, PROC_NULL]);
    }
  });

  test('by rank and by range', () => {
    const random = new Random(seed + 100);
    for (let step = 0; step < 150; step++) {
      const a = members(random);
      const group = groupOf(a);
      const ranks = members(random, Math.max(a.length, 1)).filter((rank) => rank < a.length);
      check(
        group.incl(ranks),
        ranks.map((rank) => a[rank]),
      );
      check(
        group.excl(Int32Array.from(ranks)),
        a.filter((_, rank) => !ranks.includes(rank)),
      );
      const { ranges, named } = someRanges(random, a.length);
      check(
        group.rangeIncl(ranges),
        named.map((rank) => a[rank]),
      );
      check(
        group.rangeExcl(ranges),
        a.filter((_, rank) => !named.includes(rank)),
      );
    }
  });
});

/** Ranges without a rank in common, and the ranks that they name. */
function someRanges(random: Random, size: number): { ranges: RankRange[]; named: number[] } {
  const ranges: RankRange[] = [];
  const named: number[] = [];
  for (let tries = 0; size > 0 && tries < 6; tries++) {
    const [first, last] = [random.below(size), random.below(size)];
    const stride = (1 + random.below(4)) * (last < first ? -1 : 1);
    const ranks: number[] = [];
    for (let r = first; stride > 0 ? r <= last : r >= last; r += stride) ranks.push(r);
    if (ranks.some((rank) => named.includes(rank))) continue;
    ranges.push([first, last, stride]);
    named.push(...ranks);
  }
  return { ranges, named };
}

describe('a bad argument', () => {
  const five = world.incl([3, 1, 4, 15, 9]);

  test.each<[string, string, () => unknown]>([
    ['a rank beyond the group', 'ERR_RANK', () => five.incl([0, 5])],
    ['a negative rank', 'ERR_RANK', () => five.excl([-1])],
    ['no integer', 'ERR_RANK', () => five.incl([1.5])],
    ['no number', 'ERR_RANK', () => five.incl(['1'] as unknown as number[])],
    ['a rank twice', 'ERR_RANK', () => five.incl([2, 0, 2])],
    ['a rank twice, to exclude', 'ERR_RANK', () => five.excl([2, 2])],
    ['more ranks than there are', 'ERR_RANK', () => five.incl({ length: 2 ** 50 })],
    ['a list that is none', 'ERR_ARG', () => five.incl(3 as unknown as number[])],
    ['no list', 'ERR_ARG', () => five.excl(null as unknown as number[])],
    ['a list of no length', 'ERR_ARG', () => five.incl({ length: -1 })],
    ['of an empty group', 'ERR_RANK', () => five.incl([]).incl([0])],
    ['a range beyond the group', 'ERR_RANK', () => five.rangeIncl([[0, 8, 4]])],
    ['a range that begins before it', 'ERR_RANK', () => five.rangeExcl([[-1, 3, 1]])],
    ['a range without end', 'ERR_RANK', () => five.rangeIncl([[0, 2 ** 52, 1]])],
    [
      'ranges that meet',
      'ERR_RANK',
      () =>
        five.rangeIncl([
          [0, 2, 1],
          [4, 2, -2],
        ]),
    ],
    [
      'more ranges than ranks',
      'ERR_RANK',
      () => five.rangeIncl({ length: 2 ** 50 } as RankRange[]),
    ],
    ['no stride', 'ERR_ARG', () => five.rangeIncl([[0, 3, 0]])],
    ['a stride that leads away', 'ERR_ARG', () => five.rangeExcl([[3, 0, 1]])],
    ['a range of two', 'ERR_ARG', () => five.rangeIncl([[0, 3]] as unknown as RankRange[])],
    [
      'a range of no numbers',
      'ERR_ARG',
      () => five.rangeIncl([['a', 3, 1]] as unknown as RankRange[]),
    ],
    ['no ranges', 'ERR_ARG', () => five.rangeIncl(undefined as unknown as RankRange[])],
    ['a rank to translate', 'ERR_RANK', () => five.translate([5], world)],
    ['no group to translate to', 'ERR_ARG', () => five.translate([0], [] as unknown as Group)],
    ['no group to unite with', 'ERR_ARG', () => five.union(null as unknown as Group)],
    ['no group to intersect with', 'ERR_ARG', () => five.intersection({} as Group)],
    ['no group to subtract', 'ERR_ARG', () => five.difference([1] as unknown as Group)],
    ['no group to compare with', 'ERR_ARG', () => five.compare(3 as unknown as Group)],
  ])('%s is %s', (_, expected, action) => {
    expect(codeOf(action)).toBe(expected);
  });

  test('leaves the group as it was', () => {
    expect([...five]).toEqual([3, 1, 4, 15, 9]);
  });
});

test('a getter that answers differently each time is asked once', () => {
  let asked = 0;
  const ranks = {
    length: 1,
    get 0() {
      return asked++;
    },
  };
  expect([...world.incl(ranks)]).toEqual([0]);
});

test('ranges of a million ranks', () => {
  const all = Group.ofWorld(3, 1_000_000);
  const odd = all.rangeIncl([[1, 999_999, 2]]);
  expect([odd.size, odd.rank, odd.rankOf(999_999), odd.worldOf(2)]).toEqual([
    500_000, 1, 499_999, 5,
  ]);
  expect(odd.rankOf(4)).toBe(-1);
  expect(all.intersection(odd).compare(odd)).toBe('same');
  expect(odd.union(all).size).toBe(1_000_000);
});
