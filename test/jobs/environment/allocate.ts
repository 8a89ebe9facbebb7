/** MPI.allocate() of typed arrays, and MPI.allocateShared(): messages from such memory, in workers too. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Elements, type ElementsType, MPI, SUM } from '../../../runtime/index.ts';
import { wait } from '../../../runtime/shared.ts';
import { hasSharedBuffers } from '../../tools/shared-buffers.ts';
import { defineJob } from '../job.ts';
import { assert, fill, throws, verify } from '../lib.ts';
import { next, previous, rank, size, world } from '../ring.ts';

const TYPES = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float16Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
];
const { BYTES_PER_ELEMENT: WIDTH } = Float64Array;
const BYTES = 300_000;

/** Every typed array's constructor that this Node has. */
const constructors = TYPES.map(
  (name) => (globalThis as unknown as Record<string, ElementsType<Elements> | undefined>)[name],
).filter((type) => type !== undefined);

const byScheme = () => {
  const { received } = MPI.statistics().messages.shm ?? { received: { share: 0, get: 0, copy: 0 } };
  return { ...received };
};

async function pass(bytes: Uint8Array, into: Uint8Array, seed: number): Promise<void> {
  fill(bytes, rank + seed);
  into.fill(0);
  await Promise.all([world.isend(bytes, next, 1), world.irecv(into, previous, 1)]);
  verify(into, previous + seed, 'what came');
}

export default defineJob({
  ranks: [1, 2, 3],
  cases: {
    async 'an array of each type'() {
      assert(constructors.length >= 11);
      for (const type of constructors) {
        const array = MPI.allocate(type, 1000);
        assert(array instanceof (type as unknown as NewableFunction));
        const { buffer, length, byteOffset } = array;
        assert.deepEqual([length, byteOffset], [1000, 0]);
        assert.equal(buffer.byteLength, 1000 * type.BYTES_PER_ELEMENT);
        assert(array.every((element: number | bigint) => Number(element) === 0));
        const into = MPI.allocate(type, 1000);
        await pass(new Uint8Array(buffer), new Uint8Array(into.buffer), 3);
        MPI.free(buffer as ArrayBuffer);
        assert.equal(array.length, 0);
      }
      assert.equal(MPI.allocate(Float64Array, 0).length, 0);
    },

    'what is no type, or no length'() {
      const call = MPI.allocate as (...words: unknown[]) => unknown;
      for (const type of [DataView, Buffer, ArrayBuffer, Map, () => 1, class {}, Promise])
        throws('ERR_ARG', () => call(type, 1));
      for (const length of [-1, 0.5, Number.NaN, undefined, '1', 2 ** 40, 1n])
        throws('ERR_COUNT', () => call(Float64Array, length));
      for (const bytes of [-1, 0.5, undefined, null, {}, 1n])
        throws('ERR_COUNT', () => call(bytes));
    },

    async 'shared memory is read where it lies'() {
      for (const bad of [-1, 0.5, undefined as never])
        throws('ERR_COUNT', () => MPI.allocateShared(bad));
      assert.equal(MPI.allocateShared(0).byteLength, 0);
      if (!hasSharedBuffers()) {
        const { message } = throws('ERR_UNSUPPORTED', () => MPI.allocateShared(BYTES));
        assert.match(message, /22\.23, 24\.21, 26\.12/);
        return;
      }
      const buffer = MPI.allocateShared(BYTES);
      assert(buffer instanceof SharedArrayBuffer);
      throws('ERR_BUFFER', () => MPI.free(buffer as never));
      const bytes = new Uint8Array(buffer);
      const into = new Uint8Array(MPI.allocateShared(BYTES));
      const before = byScheme();
      for (let seed = 0; seed < 10; seed++) await pass(bytes, into, seed);
      if (size > 1 && process.env.DREG_TRANSPORT === undefined) {
        const { share, get, copy } = byScheme();
        assert.deepEqual([share + get - before.share - before.get, copy], [10, before.copy]);
      }
      const sums = new Float64Array(MPI.allocateShared(WIDTH * 20_000)).fill(rank);
      await world.allreduce(sums, SUM);
      assert(sums.every((sum) => sum === (size * (size - 1)) / 2));
    },

    async 'a worker has it, and gives it back'() {
      if (!hasSharedBuffers()) return;
      const buffer = MPI.allocateShared(BYTES);
      const words = new Int32Array(buffer);
      const worker = new Worker(new URL('./programs/shared-worker.js', import.meta.url), {
        workerData: buffer,
      });
      const [said, ended] = [once(worker, 'message'), once(worker, 'exit')];
      while (Atomics.load(words, 0) === 0) wait(words, 0, 0, 20);
      const [back] = await said;
      await ended;
      assert(back instanceof SharedArrayBuffer && back !== buffer);
      const before = byScheme();
      await pass(new Uint8Array(back), new Uint8Array(MPI.allocate(BYTES)), 5);
      if (size > 1 && process.env.DREG_TRANSPORT === undefined)
        assert.equal(byScheme().copy, before.copy);
    },
  },
});
