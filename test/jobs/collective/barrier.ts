/** barrier: nobody is through before all are there. */
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';
import { size, world } from '../ring.ts';

export default defineJob({
  cases: {
    async 'barriers let nobody through before all are there'() {
      for (let round = 0; round < 10; round++) {
        for (let to = 0; to < size; to++) world.isend(Int32Array.of(round), to, 50);
        if (round % 2) world.barrierSync();
        else await world.barrier();
        // Whoever came to the barrier had sent before: one look must find it.
        for (let from = 0; from < size; from++) {
          const got = new Int32Array(1);
          assert(
            world.irecv(got, from, 50).test(),
            `rank ${from} had not entered barrier ${round}`,
          );
          assert.equal(got[0], round);
        }
      }
    },
  },
});
