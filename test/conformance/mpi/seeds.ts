/** The tests of a range of seeds. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Settings } from '../../jobs/job.ts';
import { ALGORITHM_TABLES, namesOf } from '../../tools/algorithms.ts';
import { canTest } from '../../tools/launcher.ts';
import { Comparison, LIBRARIES, partsOf } from './compare.ts';
import { collectiveSchedule } from './generate/collective.ts';
import { pointToPointSchedule } from './generate/schedule.ts';

const RANKS = 4;
/** A start of each library, on a busy machine. */
const TEST_MS = 180_000;

/**
 * In one start of each library.
 * @param settings further runs of ours, each with its environment
 */
function compareSchedule(lines: string[], settings: readonly Settings[]): Comparison {
  const comparison = new Comparison(lines, RANKS);
  beforeAll(async () => {
    comparison.traces = await comparison.own();
  });
  afterAll(() => comparison.remove());

  for (const library of LIBRARIES) {
    const { name, compiler, packages } = library;
    test.skipIf(!canTest(compiler))(
      `as ${name} (Debian: ${packages})`,
      async () => {
        const other = await comparison.other(library);
        expect(comparison.difference(partsOf(comparison.traces)[0], other)).toBeUndefined();
      },
      TEST_MS,
    );
  }

  test.each(settings)(
    'the same with %o',
    async (each) => {
      expect(comparison.difference(await comparison.own(each), comparison.traces)).toBeUndefined();
    },
    TEST_MS,
  );

  return comparison;
}

/** So many seeds from the first one on. */
type Seeds = readonly [first: number, count: number];

function linesOf(
  scheduleOf: (seed: number, ranks: number) => string[],
  [first, count]: Seeds,
): string[] {
  return Array.from({ length: count }, (_, i) => scheduleOf(first + i, RANKS)).flat();
}

const said = ([first, count]: Seeds) => `seeds ${first} to ${first + count - 1}`;

/** @param settings further runs of ours, each with its environment */
export function comparePointToPoint(seeds: Seeds, settings: readonly Settings[] = []): void {
  describe(said(seeds), () => {
    compareSchedule(linesOf(pointToPointSchedule, seeds), settings);
  });
}

/**
 * @param ownSeeds with values whose sums depend on the order: each algorithm of ours has the same bits
 * @param settings further runs of ours, each with its environment
 */
export function compareCollective(
  seeds: Seeds,
  ownSeeds: Seeds,
  settings: readonly Settings[] = [],
): void {
  const tables = ALGORITHM_TABLES;
  const most = Math.max(...tables.map((table) => namesOf(table).length));
  const forced = Array.from({ length: most }, (_, i) =>
    tables.map((table) => `${table.operation}=${namesOf(table)[i % namesOf(table).length]}`),
  );
  const own = linesOf(collectiveSchedule, ownSeeds);
  const repeated = [[], [], ...forced].flatMap((words) => [['* own', ...words].join(' '), ...own]);
  describe(`${said(seeds)}, and ${said(ownSeeds)} by each algorithm`, () => {
    const lines = [...linesOf(collectiveSchedule, seeds), ...repeated];
    const comparison = compareSchedule(lines, settings);

    test('whatever the algorithm and the habit, all bits are the same', () => {
      const [, first, ...others] = partsOf(comparison.traces);
      expect(others).toHaveLength(1 + forced.length);
      for (const other of others) expect(comparison.difference(other, first)).toBeUndefined();
    });

    test('every algorithm that DREG_COLL_… can name has run', () => {
      const names = tables.flatMap((table) =>
        namesOf(table).map((name) => `${table.operation} ${name}`),
      );
      expect(names.filter((name) => !comparison.algorithms.has(name))).toEqual([]);
    });
  });
}
