/** Credit for messages of a communicator that is freed. */
import type { Request } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { rank, world } from '../ring.ts';
import { ringSync } from '../talk.ts';

/** More than one rank may keep of another. */
const MANY = 200_000;

export default defineJob({
  ranks: [2],
  heavy: true,
  cases: {
    async 'what is dropped gives its credit back'() {
      for (let round = 0; round < 2; round++) {
        const comm = await world.dup();
        const sent: Request[] = [];
        if (rank === 0)
          for (let i = 0; i < MANY; i++) sent.push(comm.isend(Float64Array.of(i), 1, 2));
        world.barrierSync();
        // The rest waits at rank 0 until the first are dropped.
        comm.free();
        await Promise.all(sent.slice(-10));
        world.barrierSync();
      }
      ringSync(world, 5);
    },
  },
});
