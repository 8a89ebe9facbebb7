/** allgather, allgatherv: every rank has a block of each. */
import { IN_PLACE } from '../../../runtime/index.ts';
import { ALLGATHER, ALLGATHERV } from '../../../runtime/mpi/collective/allgather.ts';
import {
  byEachAlgorithm,
  checkEqual,
  elements,
  inEitherHabit,
  joined,
  MAKERS,
} from '../elements.ts';
import { defineJob } from '../job.ts';
import { assert, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

const ranks = Array.from({ length: size }, (_, one) => one);
const COUNTS = [0, 1, 1023, 1025, 5000];
const lengthOf = (one: number) => (one * 3) % 5;

export default defineJob({
  cases: {
    async 'every type, by each algorithm'() {
      await byEachAlgorithm(ALLGATHER, async (name) => {
        for (const make of MAKERS) {
          const mine = elements(5, rank, make);
          const got = await inEitherHabit(
            () => world.allgatherSync(mine),
            () => world.allgather(mine),
          );
          const parts = ranks.map((one) => elements(5, one, make));
          checkEqual(got, joined(parts, make), `${name}, ${make.name}`);
        }
      });
    },
    async 'all lengths, into memory that is given, and in place'() {
      await byEachAlgorithm(ALLGATHER, async (name) => {
        for (const count of COUNTS) {
          const all = joined(ranks.map((one) => elements(count, one)));
          const into = new Float64Array(count * size);
          assert.equal(await world.allgather(elements(count, rank), into), into);
          checkEqual(into, all, `${name}, ${count}`);
          into.fill(-1).set(elements(count, rank), count * rank);
          if (rank % 2 === 0) world.allgatherSync(IN_PLACE, into);
          else await world.allgather(into.subarray(count * rank, count * (rank + 1)), into);
          checkEqual(into, all, `${name}, ${count} in place`);
        }
      });
    },
    async 'blocks of any length, by each algorithm'() {
      await byEachAlgorithm(ALLGATHERV, async (name) => {
        for (const factor of [1, 700]) {
          const counts = ranks.map((one) => factor * lengthOf(one));
          const parts = ranks.map((one) => elements(counts[one], one));
          const data = new Float64Array(joined(parts).length);
          await inEitherHabit(
            () => world.allgathervSync(parts[rank], { data, counts }),
            () => world.allgatherv(parts[rank], { data, counts }),
          );
          checkEqual(data, joined(parts), name);
          const got = await world.allgatherv(parts[rank]);
          for (const one of ranks) checkEqual((got as Float64Array[])[one], parts[one], name);
          // Elements that lie apart travel on from there.
          const table = new Float64Array(2 * factor * 4 * size);
          const halves = ranks.map((one) => ({
            data: table,
            shape: [counts[one]],
            stride: [2],
            offset: 8 * factor * one,
          }));
          await world.allgatherv(parts[rank], halves);
          for (const one of ranks) {
            const its = Float64Array.from(parts[one], (_, i) => table[8 * factor * one + 2 * i]);
            checkEqual(its, parts[one], `${name}, apart`);
          }
          data.fill(-1);
          data.set(
            parts[rank],
            counts.slice(0, rank).reduce((sum, count) => sum + count, 0),
          );
          await world.allgatherv(IN_PLACE, { data, counts });
          checkEqual(data, joined(parts), `${name}, in place`);
        }
      });
    },
    'bad arguments are told before anything is sent'() {
      const one = new Int32Array(1);
      throws('ERR_BUFFER', () => world.allgatherSync(undefined as never));
      throws('ERR_COUNT', () => world.allgatherSync(one, new Int32Array(size + 1)));
      throws('ERR_BUFFER', () => world.allgatherSync(one as never, new Int16Array(size)));
      throws('ERR_BUFFER', () => world.allgatherSync(IN_PLACE));
      if (size > 1)
        throws('ERR_COUNT', () => world.allgatherSync(IN_PLACE, new Int32Array(size + 1)));
      throws('ERR_BUFFER', () => world.allgathervSync(IN_PLACE));
      throws('ERR_COUNT', () => world.allgathervSync(one, new Array(size + 1).fill(one)));
      throws('ERR_COUNT', () =>
        world.allgathervSync(
          one,
          ranks.map(() => new Int32Array(2)),
        ),
      );
      world.barrierSync();
    },
  },
});
