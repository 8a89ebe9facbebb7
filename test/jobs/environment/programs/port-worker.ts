/** A worker that does what it is told by its name, through a port to its rank. */
import { parentPort, workerData } from 'node:worker_threads';
import { MpiError, RankPort } from '../../../../runtime/worker.ts';

const { port, task, shared, tag } = workerData;
const mpi = await RankPort.open(port);
const next = (mpi.rank + 1) % mpi.size;
const previous = (mpi.rank - 1 + mpi.size) % mpi.size;

const codeOf = async (operation: Promise<unknown>): Promise<string> => {
  try {
    await operation;
    return 'no error';
  } catch (error) {
    return error instanceof MpiError ? error.code : String(error);
  }
};

const TASKS: Record<string, () => Promise<unknown>> = {
  async ring() {
    const sums: number[] = [];
    for (const length of [1, 100, 3000, 50_000]) {
      const got = new Float64Array(length + 1);
      const [status] = await Promise.all([
        mpi.recv(got.subarray(1), previous, tag),
        mpi.send(new Float64Array(length).fill(mpi.rank + length), next, tag),
      ]);
      if (status.source !== previous || status.byteLength !== 8 * length) throw status;
      if (got[0] !== 0 || got.subarray(1).some((one) => one !== previous + length)) throw length;
      const objects = mpi.objects<{ from: number; tag: number; data: Float32Array }>();
      const sent = objects.send({ from: mpi.rank, tag, data: new Float32Array(length) }, next, tag);
      const { value } = await objects.recv(previous, tag);
      if (value.from !== previous || value.tag !== tag || value.data.length !== length) throw value;
      await sent;
      await Promise.all([
        objects.ssend({ ...value, from: 7 }, next, tag),
        objects.recv(previous, tag),
      ]);
      sums.push(length);
    }
    return sums;
  },
  async shared() {
    const all = new Int32Array(shared);
    const half = all.length / 2;
    all.fill(mpi.rank + 1, 0, half);
    await Promise.all([
      mpi.send(all.subarray(0, half), next, tag),
      mpi.recv(all.subarray(half), previous, tag),
    ]);
    return all.subarray(half).every((one) => one === previous + 1);
  },
  errors: async () => [
    await codeOf(mpi.send(new Uint8Array(1), 99)),
    await codeOf(mpi.recv(new Uint8Array(1), 99)),
    await codeOf(mpi.recv(new Uint8Array(1), 0, -5)),
    await codeOf(mpi.send('text' as never, 0)),
    await codeOf(mpi.objects().send(() => 1, 0)),
    await codeOf(mpi.objects().recv(99)),
    await codeOf(RankPort.open({} as never)),
  ],
  async waits() {
    parentPort?.postMessage('waiting');
    return codeOf(
      Promise.all([mpi.recv(new Uint8Array(8), previous, tag), mpi.objects().recv(0, tag)]),
    );
  },
};

parentPort?.postMessage(await TASKS[task]());
