/** sendrecvReplace: one buffer for what goes and what comes. */
import { ANY_TAG, PROC_NULL } from '../../../runtime/index.ts';
import { defineJob, RING, SINGLE_COPY } from '../job.ts';
import { assert, filled, throws, verify } from '../lib.ts';
import { checkStatus, next, previous, rank, SIZES, world } from '../ring.ts';

export default defineJob({
  ranks: RING,
  settings: SINGLE_COPY,
  cases: {
    async 'a ring turns'() {
      for (const length of SIZES) {
        const buffer = filled(length, rank);
        checkStatus(world.sendrecvReplaceSync(buffer, next, 1, previous, 1), previous, 1, length);
        verify(buffer, previous, 'replaced');
        checkStatus(await world.sendrecvReplace(buffer, previous, 2, next, 2), next, 2, length);
        verify(buffer, rank, 'replaced back');
      }
    },

    async 'another length, nobody, and what is too large'() {
      const buffer = filled(100, rank);
      const sent = world.isend(filled(30, rank + 1), next, 3);
      checkStatus(world.sendrecvReplaceSync(buffer, PROC_NULL, 0, previous, 3), previous, 3, 30);
      verify(buffer.subarray(0, 30), previous + 1, 'shorter');
      sent.wait();
      const before = buffer.slice();
      checkStatus(
        await world.sendrecvReplace(buffer, PROC_NULL, 0, PROC_NULL),
        PROC_NULL,
        ANY_TAG,
        0,
      );
      assert.deepEqual(buffer, before);
      const large = world.isend(new Uint8Array(101), next, 4);
      throws('ERR_TRUNCATE', () => world.sendrecvReplaceSync(buffer, PROC_NULL, 0, previous, 4));
      assert.deepEqual(buffer, before);
      large.wait();
    },
  },
});
