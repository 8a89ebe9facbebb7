/** PROC_NULL: nobody is there. */
import { ANY_TAG, PROC_NULL } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';
import { checkStatus, rank, size, world } from '../ring.ts';

export default defineJob({
  cases: {
    async 'nobody is there at PROC_NULL'() {
      const got = Uint8Array.of(1, 2, 3);
      world.sendSync(got, PROC_NULL, 1);
      await world.send(got, PROC_NULL, 1);
      const none = [PROC_NULL, ANY_TAG, 0] as const;
      checkStatus(world.recvSync(got, PROC_NULL, 1), ...none);
      checkStatus(await world.recv(got, PROC_NULL), ...none);
      checkStatus(world.irecv(got, PROC_NULL).wait(), ...none);
      assert(world.isend(got, PROC_NULL).test());
      checkStatus(world.sendrecvSync(got, PROC_NULL, 0, got, PROC_NULL), ...none);
      assert.deepEqual([...got], [1, 2, 3]);
      // An open line of ranks: the ends talk to nobody.
      const right = rank === size - 1 ? PROC_NULL : rank + 1;
      const left = rank === 0 ? PROC_NULL : rank - 1;
      const number = Int32Array.of(-1);
      const status = world.sendrecvSync(Int32Array.of(rank), right, 8, number, left, 8);
      assert.equal(status.source, left);
      assert.equal(number[0], rank === 0 ? -1 : rank - 1);
    },
  },
});
