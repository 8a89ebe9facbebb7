/** barrier: nobody is through before all are there. */

import { Request } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, rejects, scaled, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

/** Milliseconds, by the clock that all processes of a machine have in common. */
const monotonic = () => Number(process.hrtime.bigint()) / 1e6;

export default defineJob({
  cases: {
    async 'barriers let nobody through before all are there'() {
      for (let round = 0; round < 10; round++) {
        const entered = Float64Array.of(monotonic());
        if (round % 2) world.barrierSync();
        else await world.barrier();
        const left = monotonic();
        const all = new Float64Array(size);
        await world.allgather(entered, all);
        for (const [from, at] of all.entries())
          assert(at <= left, `rank ${from} had not entered barrier ${round}`);
      }
    },

    async 'barriers end in any mix of habits, many of them under way'() {
      for (let turn = 0; turn < 20; turn++) {
        const started = Array.from({ length: 1 + (turn % 12) }, () => world.barrier());
        if ((turn + rank) % 3 === 0) world.barrierSync();
        else if ((turn + rank) % 3 === 1) await world.barrier();
        else world.barrier().wait();
        if (turn % 2) for (const request of started.reverse()) await request;
        else Request.waitAll(started);
      }
    },

    async 'those of overlapping communicators do not meet'() {
      using other = await world.dup();
      using half = await world.split(rank % 2);
      for (let turn = 0; turn < 5; turn++) {
        const all = [other.barrier(), half.barrier(), world.barrier()];
        half.barrierSync();
        await all[(turn + rank) % 3];
        other.barrierSync();
        for (const request of all) request.wait();
      }
    },

    async 'one that was started goes on after free()'() {
      const other = await world.dup();
      const request = other.barrier();
      other.free();
      await rejects('ERR_CLOSED', other.barrier());
      throws('ERR_CLOSED', () => other.barrierSync());
      await request;
    },

    async 'communicators come and go'() {
      for (let turn = 0; turn < scaled(100); turn++) {
        using other = world.dupSync();
        if (turn % 3) other.barrierSync();
      }
      world.barrierSync();
    },
  },
});
