/** Numbers of contexts: given back, and never those of two communicators. */
import { type Communicator, MPI } from '../../../runtime/index.ts';
import { COMMUNICATORS_MAX } from '../../../runtime/messaging/contexts/table.ts';
import { defineJob } from '../job.ts';
import { assert, Random, throws } from '../lib.ts';
import { next, previous, rank, size, world } from '../ring.ts';
import { ringSync } from '../talk.ts';

/** DREG_TEST_COMMUNICATORS: how many are made and freed. */
const MANY = Number(process.env.DREG_TEST_COMMUNICATORS ?? 2000);

const { contexts } = world.endpoint.engine.receiving;

function heap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

export default defineJob({
  ranks: [1, 4],
  nodeOptions: ['--expose-gc'],
  cases: {
    async 'many made and freed, and nothing grows'() {
      const live = contexts.live;
      const round = (count: number) => {
        for (let i = 0; i < count; i++) {
          const comm = i % 2 === 0 ? world.dupSync() : world.splitSync(i % 3 === 0 ? rank % 2 : 0);
          if (i % 8 === 0) ringSync(comm, i);
          comm.free();
        }
      };
      round(500);
      world.barrierSync();
      const [before, resident] = [heap(), process.memoryUsage().rss];
      round(MANY);
      world.barrierSync();
      assert.equal(contexts.live, live);
      const grown = heap() - before;
      // A communicator that stays costs a kilobyte or more.
      assert(grown < 2 ** 20, `the heap has grown by ${grown} bytes`);
      const more = process.memoryUsage().rss - resident;
      assert(more < 64 * 2 ** 20, `the process has grown by ${more} bytes`);
    },
    async 'of many that live at the same time each hears its own'() {
      const random = new Random(3);
      const made: Communicator[] = [];
      for (let step = 0; step < 300; step++) {
        if (made.length > 0 && random.below(3) === 0) {
          const [gone] = made.splice(random.below(made.length), 1);
          gone.isend(Float64Array.of(-1), next, 1);
          if (random.below(2) === 0) gone.recvSync(new Float64Array(1), previous, 1);
          gone.free();
        } else made.push(step % 5 === rank ? world.dupSync() : await world.dup());
        if (made.length === 0) continue;
        const at = random.below(made.length);
        ringSync(made[at], step);
      }
      for (const comm of made) comm.free();
    },
    async 'one rank that has none left is no reason to wait for ever'() {
      const made: Communicator[] = [];
      const left = COMMUNICATORS_MAX - contexts.live;
      if (rank === size - 1) for (let i = 0; i < left; i++) made.push(MPI.self.dupSync());
      for (const call of [
        () => world.dupSync(),
        () => world.splitSync(0),
        () => world.createSync(world.group),
        () => world.createGroupSync(world.group),
      ]) {
        const error = throws('ERR_NO_CONTEXT', call);
        assert.match(error.message, /free/);
      }
      for (const comm of made.splice(0)) comm.free();
      world.dupSync().free();
    },
  },
});
