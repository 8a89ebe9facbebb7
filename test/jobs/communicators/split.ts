/** split: by color, in the order of the keys. */
import { defineJob } from '../job.ts';
import { assert, rejects, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';
import { talk } from '../talk.ts';

const ranks = Array.from({ length: size }, (_, each) => each);

export default defineJob({
  cases: {
    async 'ranks of one color, in both habits'() {
      const color = rank % 3;
      for (const comm of [await world.split(color), world.splitSync(color)]) {
        assert.deepEqual(
          [...comm.group],
          ranks.filter((each) => each % 3 === color),
        );
        assert.equal(comm.rank, Math.floor(rank / 3));
        await talk(comm, color);
        comm.free();
      }
    },
    async 'the keys order them, and the ranks where keys are the same'() {
      const backwards = await world.split(0, -rank);
      assert.deepEqual([...backwards.group], [...ranks].reverse());
      await talk(backwards, 1);
      const halves = await world.split(0, rank % 2 === 0 ? 0.5 : 0.25);
      const odd = ranks.filter((each) => each % 2 === 1);
      assert.deepEqual([...halves.group], [...odd, ...ranks.filter((each) => each % 2 === 0)]);
      await talk(halves, 2);
      assert.equal(
        backwards.compare(halves),
        size === 1 ? 'congruent' : size === 2 ? 'congruent' : 'similar',
      );
      backwards.free();
      halves.free();
    },
    async 'a rank without a color gets none'() {
      const made = rank === size - 1 ? await world.split(null) : await world.split(5);
      assert.equal(made === null, rank === size - 1);
      if (made !== null) {
        assert.equal(made.size, size - 1);
        await talk(made, 1);
        made.free();
      }
      assert.equal(world.splitSync(null), null);
    },
    async 'of a part of a part'() {
      let comm = await world.split(0);
      for (let seed = 1; comm.size > 1; seed++) {
        const half = await comm.split(comm.rank < comm.size / 2 ? 0 : 1, -comm.rank);
        comm.free();
        comm = half;
        await talk(comm, seed);
      }
      comm.free();
    },
    async 'colors of any size'() {
      const comm = await world.split(Number.MAX_SAFE_INTEGER - (rank % 2));
      assert.equal(comm.size, rank % 2 === 0 ? Math.ceil(size / 2) : Math.floor(size / 2));
      comm.free();
    },
    async 'a bad argument fails before anything is sent'() {
      const bad = (value: unknown) => value as number;
      for (const color of [-1, 1.5, Number.NaN, 2 ** 53, '1', undefined, {}]) {
        throws('ERR_ARG', () => world.splitSync(bad(color)));
        await rejects('ERR_ARG', world.split(bad(color)));
      }
      for (const key of [Number.NaN, Number.POSITIVE_INFINITY, '0', null])
        throws('ERR_ARG', () => world.splitSync(0, bad(key)));
      world.splitSync(0).free();
    },
  },
});
