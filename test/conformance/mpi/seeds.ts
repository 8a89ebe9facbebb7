/** The tests of a range of seeds. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Settings } from '../../jobs/job.ts';
import { canTest } from '../../tools/launcher.ts';
import { Comparison, LIBRARIES } from './compare.ts';
import { pointToPointSchedule } from './generate/schedule.ts';

const RANKS = 4;
/** A start of each library, on a busy machine. */
const TEST_MS = 180_000;

/**
 * All seeds from the first one on, in one start of each library.
 * @param settings further runs of ours, each with its environment
 */
export function comparePointToPoint(
  first: number,
  count: number,
  settings: readonly Settings[] = [],
): void {
  describe(`seeds ${first} to ${first + count - 1}`, () => {
    const seeds = Array.from({ length: count }, (_, i) => first + i);
    const lines = seeds.flatMap((seed) => pointToPointSchedule(seed, RANKS));
    const comparison = new Comparison(lines, RANKS);
    let own: string[][];
    beforeAll(async () => {
      own = await comparison.own();
    });
    afterAll(() => comparison.remove());

    for (const library of LIBRARIES) {
      const { name, compiler, packages } = library;
      test.skipIf(!canTest(compiler))(
        `as ${name} (Debian: ${packages})`,
        async () => {
          expect(comparison.difference(own, await comparison.other(library))).toBeUndefined();
        },
        TEST_MS,
      );
    }

    test.each(settings)(
      'the same with %o',
      async (each) => {
        expect(comparison.difference(await comparison.own(each), own)).toBeUndefined();
      },
      TEST_MS,
    );
  });
}
