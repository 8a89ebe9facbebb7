/** scatter, scatterv: each rank has its block of what the root has. */
import { IN_PLACE } from '../../../runtime/index.ts';
import { SCATTER } from '../../../runtime/mpi/collective/scatter.ts';
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
const COUNTS = [0, 1, 128, 129, 20_000];
const lengthOf = (one: number) => (one * 3) % 5;

export default defineJob({
  cases: {
    async 'from every root, every type, by each algorithm'() {
      await byEachAlgorithm(SCATTER, async (name) => {
        for (let root = 0; root < size; root++) {
          const make = MAKERS[root % MAKERS.length];
          const parts = ranks.map((one) => elements(9, one + root, make));
          const all = rank === root ? joined(parts, make) : null;
          const mine = new make(9);
          const got = await inEitherHabit(
            () => world.scatterSync(all, mine, root),
            () => world.scatter(all, mine, root),
          );
          assert.equal(got, mine);
          checkEqual(mine, parts[rank], `${name}, root ${root}`);
        }
      });
    },
    async 'all lengths, and in place'() {
      await byEachAlgorithm(SCATTER, async (name) => {
        for (const count of COUNTS) {
          const root = count % size;
          const parts = ranks.map((one) => elements(count, one));
          const all = rank === root ? joined(parts) : null;
          checkEqual(
            await world.scatter(all, new Float64Array(count), root),
            parts[rank],
            `${name}, ${count}`,
          );
          const into = rank === root ? IN_PLACE : new Float64Array(count);
          checkEqual(world.scatterSync(all, into, root), parts[rank], `${name}, ${count} in place`);
          if (all !== null) checkEqual(all, joined(parts), 'what was sent');
        }
      });
    },
    async 'blocks of any length'() {
      for (let root = 0; root < size; root++) {
        const parts = ranks.map((one) => elements(lengthOf(one), one + root));
        const counts = ranks.map(lengthOf);
        const data = joined(parts);
        const mine = new Float64Array(lengthOf(rank));
        const send = rank === root ? { data, counts } : null;
        const got = await inEitherHabit(
          () => world.scattervSync(send, mine, root),
          () => world.scatterv(send, mine, root),
        );
        assert.equal(got, mine);
        checkEqual(mine, parts[rank], `root ${root}`);
        const table = new Float64Array(8);
        const column = { data: table, shape: [lengthOf(rank)], stride: [2], offset: 0 };
        await world.scatterv(rank === root ? parts : null, column, root);
        for (let i = 0; i < lengthOf(rank); i++) assert.equal(table[2 * i], parts[rank][i]);
        const into = rank === root ? IN_PLACE : mine.fill(-1);
        const own = await world.scatterv(rank === root ? { data, counts } : null, into, root);
        checkEqual(own, parts[rank], `root ${root}, in place`);
      }
    },
    'bad arguments are told before anything is sent'() {
      const all = new Int32Array(size);
      const one = new Int32Array(1);
      throws('ERR_RANK', () => world.scatterSync(all, one, -2));
      throws('ERR_BUFFER', () => world.scatterSync(null, one, rank));
      throws('ERR_BUFFER', () => world.scatterSync(all, null as never, rank));
      throws('ERR_COUNT', () => world.scatterSync(all, new Int32Array(2), rank));
      throws('ERR_BUFFER', () => world.scatterSync(all as never, new Uint32Array(1), rank));
      if (size > 1) {
        const other = (rank + 1) % size;
        throws('ERR_COUNT', () => world.scatterSync(new Int32Array(size + 1), one, rank));
        throws('ERR_BUFFER', () => world.scatterSync(all, all.subarray(other, other + 1), rank));
        throws('ERR_BUFFER', () => world.scatterSync(null, IN_PLACE, other));
      }
      throws('ERR_ARG', () => world.scattervSync(null, one, rank));
      throws('ERR_COUNT', () => world.scattervSync([], one, rank));
      throws('ERR_COUNT', () =>
        world.scattervSync(
          ranks.map(() => new Int32Array(3)),
          one,
          rank,
        ),
      );
      world.barrierSync();
    },
  },
});
