/** Workers with ports to their rank: four at once, shared memory, one that is ended meanwhile. */
import { Worker } from 'node:worker_threads';
import { portFor } from '../../../runtime/worker.ts';
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';
import { next, previous, world } from '../ring.ts';

function start(task: string, tag: number, shared?: SharedArrayBuffer): Worker {
  const port = portFor(world);
  return new Worker(new URL('./programs/port-worker.js', import.meta.url), {
    workerData: { port, task, tag, shared },
    transferList: [port],
  });
}

const said = (worker: Worker) =>
  new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });

const ended = (worker: Worker) => new Promise<number>((resolve) => worker.once('exit', resolve));

/** Until so many receives and probes of this rank wait for their messages. */
async function posted(count: number): Promise<void> {
  while (world.endpoint.messages.posted.count !== count)
    await new Promise((resolve) => setImmediate(resolve));
}

export default defineJob({
  ranks: [1, 2, 3],
  rdma: [],
  cases: {
    async 'four at once'() {
      const workers = [1, 2, 3, 4].map((tag) => start('ring', tag));
      const ends = workers.map(ended);
      assert.deepEqual(await Promise.all(workers.map(said)), Array(4).fill([1, 100, 3000, 50_000]));
      // A worker that has nothing to do ends by itself.
      assert.deepEqual(await Promise.all(ends), [0, 0, 0, 0]);
    },

    async 'memory that both share is received into as it lies'() {
      const shared = new SharedArrayBuffer(800_000);
      assert.equal(await said(start('shared', 5, shared)), true);
      assert.equal(new Int32Array(shared).at(-1), previous + 1);
    },

    async 'errors keep their codes'() {
      assert.deepEqual(await said(start('errors', 6)), [
        'ERR_RANK',
        'ERR_RANK',
        'ERR_TAG',
        'ERR_BUFFER',
        'ERR_ARG',
        'ERR_RANK',
        'ERR_ARG',
      ]);
    },

    async 'a worker that is ended in the middle takes no message with it'() {
      const worker = start('waits', 7);
      assert.equal(await said(worker), 'waiting');
      await posted(2);
      await worker.terminate();
      // The rank's end of the port hears of it, and takes them back.
      await posted(0);
      await world.barrier();
      await world.send(Uint8Array.of(42), next, 7);
      const got = new Uint8Array(8);
      assert.equal((await world.recv(got, previous, 7)).byteLength, 1);
      assert.equal(got[0], 42);
      await world.barrier();
    },
  },
});
