/**
 * Roots that differ, where each rank's own part ends all the same. With more ranks than CPUs a broadcast goes by messages, and one that
 * nobody receives may be looked at much later: the next call tells of it.
 */
import { defineJob } from '../job.ts';
import { assert, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

export default defineJob({
  ranks: [2, 3, 8],
  // There barriers go by messages, too.
  rdma: [],
  cases: {
    async 'every rank hears of it in its next barrier'() {
      for (let round = 0; round < 10; round++) {
        const comm = await world.dup();
        try {
          comm.bcastSync(new Float64Array(4), rank === 0 ? 0 : size - 1);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'ERR_MISMATCH');
        }
        throws('ERR_MISMATCH', () => comm.barrierSync());
        comm.free();
        await world.barrier();
      }
    },
  },
});
