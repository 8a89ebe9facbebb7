/** splitType: ranks that share something. */
import type { MachinePart } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, throws } from '../lib.ts';
import { rank, world } from '../ring.ts';
import { talk } from '../talk.ts';

const PARTS: MachinePart[] = ['numa', 'socket', 'l3', 'core'];

export default defineJob({
  cases: {
    async 'those that share memory'() {
      for (const comm of [await world.splitType('shared'), world.splitTypeSync('shared', -rank)]) {
        const here = comm.group.intersection(world.group);
        assert.equal(here.compare(comm.group), 'same');
        await talk(comm, 1);
        comm.free();
      }
    },
    async 'those that run on the same part of the machine'() {
      using near = await world.splitType('shared');
      for (const part of PARTS) {
        const comm = await near.splitType(part);
        assert.equal(near.group.union(comm.group).size, near.size);
        await talk(comm, 2);
        comm.free();
      }
    },
    'what is no part'() {
      for (const part of ['cores', '', undefined, 3, {}])
        throws('ERR_ARG', () => world.splitTypeSync(part as MachinePart));
      throws('ERR_ARG', () => world.splitTypeSync('shared', Number.NaN));
    },
  },
});
