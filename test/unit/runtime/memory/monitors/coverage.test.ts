import { expect, test } from 'vitest';
import { Coverage } from '../../../../../runtime/memory/monitors/coverage.ts';
import { Random } from '../../../../tools/random.ts';

const SPAN = 40;
const ROUNDS = 4000;
const RANGES_MAX = 12;

/** Runs of `true` in what was uncovered, as [start, end) pairs. */
function runs(marks: boolean[]): [number, number][] {
  const found: [number, number][] = [];
  for (let at = 0; at < marks.length; at++) {
    if (!marks[at]) continue;
    const start = at;
    while (marks[at]) at++;
    found.push([start, at]);
  }
  return found;
}

test('coverage agrees with counting address by address', () => {
  const random = new Random(7);
  const coverage = new Coverage();
  const counts = new Array<number>(SPAN).fill(0);
  const ranges: [number, number][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    if (ranges.length < RANGES_MAX && random.below(2) === 0) {
      const start = random.below(SPAN - 1);
      const end = start + 1 + random.below(SPAN - start - 1);
      ranges.push([start, end]);
      for (let at = start; at < end; at++) counts[at] += 1;
      coverage.add(start, end);
    } else if (ranges.length > 0) {
      const [[start, end]] = ranges.splice(random.below(ranges.length), 1);
      for (let at = start; at < end; at++) counts[at] -= 1;
      const marks = new Array<boolean>(SPAN).fill(false);
      coverage.remove(start, end, (from, to) => marks.fill(true, from, to));
      const expected = counts.map((count, at) => at >= start && at < end && count === 0);
      expect(runs(marks)).toEqual(runs(expected));
    }
    // No more pieces than there are changes of the count.
    const changes = counts.filter((count, at) => count > 0 && count !== counts[at - 1]).length;
    expect(coverage.size).toBe(changes);
  }
});
