/** What the reference shows of workers. The two ends of a port may also be in one thread, as here. */
import assert from 'node:assert/strict';
import { MPI } from '../../../runtime/index.ts';
import { portFor, RankPort, type WorkerObjects } from '../../../runtime/worker.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
const { rank } = world;
const other = 1 - rank;

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    async 'portFor, RankPort, RankPort.open, rankPort.send, rankPort.recv, rankPort.close'() {
      // The main thread: new Worker(file, { workerData: port, transferList: [port] }).
      const port = portFor(world);
      // The worker makes its end of workerData.
      const mpi: RankPort = await RankPort.open(port);
      const got = new Int32Array(1);
      await Promise.all([mpi.send(Int32Array.of(mpi.rank), other), mpi.recv(got, other)]);
      assert.equal(got[0], other);
      mpi.close();
    },

    async 'rankPort.objects, WorkerObjects, workerObjects.send, workerObjects.ssend, workerObjects.recv'() {
      const mpi = await RankPort.open(portFor(world));
      const texts: WorkerObjects<string> = mpi.objects<string>();
      const [, { value }] = await Promise.all([texts.ssend('taken', other), texts.recv(other)]);
      assert.equal(value, 'taken');
      await texts.send('more', other);
      assert.equal((await texts.recv(other)).value, 'more');
      mpi.close();
    },
  },
});
