/** create: of a group, called by all. */
import type { Group } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, rejects, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';
import { talk } from '../talk.ts';

export default defineJob({
  cases: {
    async 'the members get it, the others null, in both habits'() {
      const backwards = world.group.rangeIncl([[size - 1, 0, -1]]);
      const some = backwards.excl([0]);
      for (const comm of [await world.create(some), world.createSync(some)]) {
        assert.equal(comm === null, some.rank < 0);
        if (comm === null) continue;
        assert.equal(comm.group.compare(some), 'same');
        await talk(comm, 1);
        comm.free();
      }
    },
    async 'several groups without a common rank by one call'() {
      const third = world.group.incl(
        Array.from({ length: size }, (_, each) => each).filter((each) => each % 3 === rank % 3),
      );
      const comm = await world.create(third);
      await talk(comm!, rank % 3);
      comm!.free();
    },
    async 'members that pass different groups are told'() {
      if (size < 2) return;
      const backwards = world.group.rangeIncl([[size - 1, 0, -1]]);
      await rejects('ERR_ARG', world.create(rank === 0 ? world.group : backwards));
    },
    async 'a bad argument fails before anything is sent'() {
      using alone = await world.split(rank);
      for (const group of [null, [0], {}, 3])
        throws('ERR_ARG', () => world.createSync(group as unknown as Group));
      if (size > 1) throws('ERR_RANK', () => alone.createSync(world.group));
      world.createSync(world.group)?.free();
    },
  },
});
