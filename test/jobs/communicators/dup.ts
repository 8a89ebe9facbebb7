/** dup: the same ranks, other messages. */
import { ANY_SOURCE, MPI } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';
import { next, previous, rank, size, world } from '../ring.ts';
import { assertQuiet, ringSync, talk } from '../talk.ts';

export default defineJob({
  cases: {
    async 'a duplicate has the same ranks, in both habits'() {
      for (const comm of [await world.dup(), world.dupSync()]) {
        assert.deepEqual([comm.rank, comm.size, comm.name], [rank, size, '']);
        assert.deepEqual([...comm.group], [...world.group]);
        assert.equal(comm.compare(world), 'congruent');
        await talk(comm, 1);
        comm.free();
      }
    },
    async 'a message never meets a receive of another communicator'() {
      const comm = await world.dup();
      const here = comm.irecv(new Float64Array(1), previous, 7);
      const there = world.irecv(new Float64Array(1), ANY_SOURCE, 7);
      const [low, high] = [new Float64Array(1), new Float64Array(1)];
      const receives = [comm.irecv(low, previous, 7), world.irecv(high, previous, 7)];
      world.sendSync(Float64Array.of(1), next, 7);
      world.sendSync(Float64Array.of(2), next, 7);
      comm.sendSync(Float64Array.of(3), next, 7);
      comm.sendSync(Float64Array.of(4), next, 7);
      await Promise.all([here, there, ...receives]);
      assert.deepEqual([low[0], high[0]], [4, 2]);
      assertQuiet(comm);
      comm.free();
    },
    async 'two at once, made by promises that interleave'() {
      const [a, b] = await Promise.all([world.dup(), world.dup()]);
      ringSync(a, 1);
      ringSync(b, 2);
      const more = Array.from({ length: 20 }, () => world.dup());
      world.barrierSync();
      for (const [i, made] of (await Promise.all(more)).entries()) {
        ringSync(made, i);
        made.free();
      }
      a.free();
      b.free();
    },
    async 'one rank awaits, another blocks'() {
      const comm = rank % 2 === 0 ? await world.dup() : world.dupSync();
      await talk(comm, 2);
      comm.free();
    },
    async 'of a duplicate, and of MPI.self'() {
      using self = MPI.self.dupSync();
      ringSync(self, rank);
      using first = await world.dup();
      using second = await first.dup();
      first.free();
      await talk(second, 3);
    },
    async 'a request of it is tested and waited for like any other'() {
      const made = world.dup();
      while (!made.test());
      made.wait().free();
      world.dup().wait().free();
    },
  },
});
