/** What collective calls have to do with messages and with each other's requests. */
import { ANY_SOURCE, ANY_TAG, IN_PLACE, Request, SUM } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

const next = (rank + 1) % size;
const before = (rank - 1 + size) % size;

export default defineJob({
  cases: {
    async 'messages of the program do not meet those of a collective call'() {
      const got = new Int32Array(1);
      const any = world.irecv(got, ANY_SOURCE, ANY_TAG);
      const data = rank === 0 ? new Float64Array(20_000).fill(7) : new Float64Array(20_000);
      world.bcastSync(data);
      assert.equal(world.allreduceSync(1, SUM), size);
      assert(size === 1 || data[19_999] === 7);
      world.sendSync(Int32Array.of(rank), next, 5);
      const { source, tag } = await any;
      assert.deepEqual([got[0], source, tag], [before, before, 5]);
    },

    async 'requests of both kinds end together; a collective one is not cancelled, and its status is empty'() {
      const got = new Int32Array(1);
      const receive = world.irecv(got, before, 5);
      const sum = world.allreduce(Float64Array.of(rank), SUM);
      const all = world.alltoall(new Int32Array(size).fill(rank));
      assert.equal(sum.cancel(), false);
      Request.waitAll([sum, receive, all, world.isend(Int32Array.of(rank), next, 5)]);
      assert.equal(got[0], before);
      assert.equal((await sum)[0], (size * (size - 1)) / 2);
      assert.deepEqual(
        [...all.result],
        Array.from({ length: size }, (_, one) => one),
      );
      assert.equal(sum.status?.byteLength, 0);
    },

    async 'ranks that give nothing take part'() {
      const nothing = new Float64Array(0);
      assert.equal((await world.allreduce(nothing, SUM)).length, 0);
      assert.equal(world.allgatherSync(nothing).length, 0);
      assert.equal((await world.alltoall(IN_PLACE, nothing)).length, 0);
      assert.equal(world.scanSync(nothing, null, SUM).length, 0);
      assert.equal(world.allreduceSync(1, SUM), size);
    },
  },
});
