/** bsend and flushBuffer: the buffer may be used again at once, whatever its size. */
import { PROC_NULL, Request } from '../../../runtime/index.ts';
import { defineJob, RING } from '../job.ts';
import { assert, filled, throws, verify } from '../lib.ts';
import { checkStatus, next, previous, rank, SIZES, world } from '../ring.ts';

export default defineJob({
  ranks: RING,
  settings: [{}, { DREG_SINGLE_COPY: 'never' }].map((each) => ({
    ...each,
    DREG_BSEND_BYTES: '2M',
  })),
  cases: {
    async 'the buffer is free at once, and order is kept'() {
      const buffer = new Uint8Array(SIZES[SIZES.length - 1]);
      for (let round = 0; round < 2; round++)
        for (const length of SIZES) {
          const view = buffer.subarray(0, length);
          view.set(filled(length, rank + round));
          world.bsend(view, next, 1);
          buffer.fill(0);
        }
      for (let round = 0; round < 2; round++)
        for (const length of SIZES) {
          const got = new Uint8Array(length);
          checkStatus(world.recvSync(got, previous, 1), previous, 1, length);
          verify(got, previous + round, 'bsend');
        }
      if (rank % 2) world.flushBufferSync();
      else assert.equal(await world.flushBuffer(), undefined);
    },

    'room comes back, and where there is none the error says what to do'() {
      const large = filled(1_000_000, rank);
      world.bsend(large, next, 2);
      world.bsend(large, next, 2);
      const error = throws('ERR_NO_MEM', () => world.bsend(large, next, 2));
      assert.match(error.message, /DREG_BSEND_BYTES.*flushBuffer/);
      const flush = world.flushBuffer();
      assert.equal(flush.done, false);
      // Whoever receives makes room for its sender: not before that has seen that there is none.
      world.barrierSync();
      const got = new Uint8Array(large.length);
      for (let i = 0; i < 2; i++) {
        world.recvSync(got, previous, 2);
        verify(got, previous, 'bsend');
      }
      Request.waitAll([flush]);
      for (let i = 0; i < 6; i++) {
        world.bsend(large, next, 3);
        world.recvSync(got, previous, 3);
        world.flushBufferSync();
      }
    },

    'to nobody, and nothing to flush'() {
      world.bsend(null, PROC_NULL);
      assert(world.flushBuffer().done);
      world.flushBufferSync();
    },
  },
});
