/** What the reference shows of the beginning and the end (MPI 4.1, 11.2). */
import assert from 'node:assert/strict';
import { MPI } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

export default defineJob({
  ranks: [2],
  rdma: [],
  alone: true,
  cases: {
    'MPI.init, MPI.finalize'() {
      MPI.init(); // Or the first use of MPI.world, which does the same.
      assert.equal(MPI.world.size, 2);
      MPI.finalize(); // Or the end of the program, which does the same.
      assert.equal(MPI.finalized, true);
    },
  },
});
