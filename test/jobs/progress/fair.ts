/** Timers, immediates and files get their turn while ranks await messages without a pause. */
import { readFile } from 'node:fs/promises';
import { MPI } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';

const world = MPI.world;
const other = 1 - world.rank;
const got = new Int32Array(1);
const STOP = -1;

async function fair(): Promise<void> {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  if (world.rank === 0) {
    let read = 0;
    const reading = (async () => {
      for (; read < 5; read++) await readFile('/proc/self/stat');
    })();
    // Not until all had their turns does this end.
    while (ticks < 20 || read < 5) {
      await world.send(Int32Array.of(1), other);
      await world.recv(got, other);
    }
    await reading;
    await world.send(Int32Array.of(STOP), other);
  } else
    for (;;) {
      await world.recv(got, other);
      if (got[0] === STOP) break;
      await world.send(got, other);
    }
  clearInterval(timer);
  assert(world.rank === 1 || ticks >= 20);
}

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: { 'other events get their turn while ranks await messages': fair },
});
