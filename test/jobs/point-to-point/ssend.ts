/** ssend, ssendSync, issend: complete only when a receive has matched. */
import { ANY_SOURCE, ANY_TAG, MPI, PROC_NULL, Request } from '../../../runtime/index.ts';
import { defineJob, RING, SINGLE_COPY } from '../job.ts';
import { assert, filled, throws, verify } from '../lib.ts';
import { checkStatus, next, previous, rank, SIZES, size, world } from '../ring.ts';

/** Long enough for what would complete by itself to have done so. */
const LOOKS = 200;

/** Memory of its own, and memory that the ranks of the machine share. */
function buffers(length: number, seed: number): Uint8Array[] {
  const shared = new Uint8Array(MPI.allocate(length));
  shared.set(filled(length, seed));
  return [filled(length, seed), shared];
}

export default defineJob({
  ranks: RING,
  settings: SINGLE_COPY,
  cases: {
    async 'not before the receive, at every size'() {
      for (const length of SIZES)
        for (const sent of buffers(length, rank)) {
          const request = world.issend(sent, next, 1);
          for (let look = 0; look < LOOKS; look++) assert.equal(request.test(), false, `${length}`);
          world.barrierSync();
          assert.equal(request.test(), false, `${length} after the barrier`);
          // No rank receives before all have looked.
          world.barrierSync();
          const got = new Uint8Array(length);
          const receive = world.irecv(got, previous, 1);
          request.wait();
          checkStatus(receive.wait(), previous, 1, length);
          verify(got, previous, 'issend');
        }
    },

    async 'posted receives first, in either habit'() {
      for (const length of SIZES) {
        const got = new Uint8Array(length);
        const first = world.irecv(got, previous, 2);
        world.barrierSync();
        world.ssendSync(filled(length, rank + 1), next, 2);
        checkStatus(first.wait(), previous, 2, length);
        verify(got, previous + 1, 'ssendSync');
        const second = world.recv(got, ANY_SOURCE, 3);
        await world.ssend(filled(length, rank + 2), next, 3);
        checkStatus(await second, previous, 3, length);
        verify(got, previous + 2, 'ssend');
      }
    },

    'among standard sends nothing overtakes'() {
      const count = 60;
      const requests = Array.from({ length: count }, (_, i) => {
        const sent = filled(SIZES[i % SIZES.length], i);
        return i % 3 === 0 ? world.issend(sent, next, 4) : world.isend(sent, next, 4);
      });
      for (let i = 0; i < count; i++) {
        const length = SIZES[i % SIZES.length];
        const got = new Uint8Array(300_000);
        checkStatus(world.recvSync(got, previous, i % 2 ? ANY_TAG : 4), previous, 4, length);
        verify(got.subarray(0, length), i, `message ${i}`);
      }
      Request.waitAll(requests);
    },

    'a message that is too large was matched, too'() {
      for (const length of SIZES.filter((each) => each > 0)) {
        const request = world.issend(filled(length, 1), next, 5);
        throws('ERR_TRUNCATE', () => world.recvSync(new Uint8Array(length - 1), previous, 5));
        request.wait();
      }
    },

    async 'to nobody, and to oneself'() {
      world.ssendSync(null, PROC_NULL);
      await world.ssend(null, PROC_NULL);
      assert(world.issend(null, PROC_NULL).done);
      for (const length of SIZES) {
        throws('ERR_DEADLOCK', () => MPI.self.ssendSync(filled(length, 3), 0, 6));
        const got = new Uint8Array(length);
        const receive = MPI.self.irecv(got, 0, 6);
        MPI.self.ssendSync(filled(length, 3), 0, 6);
        receive.wait();
        verify(got, 3, 'to oneself');
      }
    },

    'all to one, more than there is credit for bytes'() {
      const each = 40;
      if (rank === 0) {
        const got = new Uint8Array(100_000);
        for (let i = 0; i < each * (size - 1); i++) {
          const status = world.recvSync(got, ANY_SOURCE, 7);
          verify(got.subarray(0, status.byteLength), status.source, 'to one');
        }
      } else {
        const requests = Array.from({ length: each }, (_, i) =>
          world.issend(filled(i % 2 ? 7000 : 100_000, rank), 0, 7),
        );
        Request.waitAll(requests);
      }
    },
  },
});
