/** What the reference shows of values in place of buffers. */
import assert from 'node:assert/strict';
import {
  type Abortable,
  type Codec,
  type CollectiveObjects,
  MPI,
  msgpackCodec,
  type Objects,
  type Received,
  type ReceiveOptions,
  type Selection,
  v8Codec,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
const { rank } = world;
const other = 1 - rank;

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    async 'communicator.objects, Objects, objects.send, objects.recv, Received'() {
      type Job = { name: string; weights: Float32Array };
      const jobs: Objects<Job> = world.objects<Job>();
      if (rank === 0) await jobs.send({ name: 'first', weights: Float32Array.of(1, 2) }, 1, 4);
      else {
        const { value, source, tag }: Received<Job> = await jobs.recv();
        assert.deepEqual([value.name, value.weights[1], source, tag], ['first', 2, 0, 4]);
      }
    },

    async 'objects.ssend, objects.sendrecv'() {
      const texts = world.objects<string>();
      assert.equal(texts.comm, world);
      const { value } = await texts.sendrecv(`of rank ${rank}`, other, 0, other);
      assert.equal(value, `of rank ${other}`);
      if (rank === 0)
        await texts.ssend('taken', 1); // Ends when rank 1 has it.
      else assert.equal((await texts.recv(0)).value, 'taken');
    },

    async 'objects.messages, Selection'() {
      const numbers = world.objects<number>();
      for (const number of [3, 4, 0]) await numbers.send(number, other, 1);
      const selection: Selection = { source: other, tag: 1 };
      let sum = 0;
      for await (const { value } of numbers.messages(selection)) {
        if (value === 0) break; // The end, as these two have agreed.
        sum += value;
      }
      assert.equal(sum, 7);
    },

    async 'ReceiveOptions, Abortable, abortable.throwIfAborted, abortable.addEventListener, abortable.removeEventListener'() {
      // An AbortSignal is one; what waits is taken back, and no message is lost.
      const controller = new AbortController();
      const signal: Abortable = controller.signal;
      const options: ReceiveOptions = { signal };
      const told = () => {};
      signal.addEventListener('abort', told, { once: true });
      const receive = world.recv(new Uint8Array(1), other, 8, options);
      controller.abort(new Error('too late'));
      await assert.rejects(receive, /too late/);
      signal.removeEventListener('abort', told);
      assert.throws(() => signal.throwIfAborted(), /too late/);
    },

    'Codec, codec.encode, codec.decode'() {
      const upper: Codec<string> = {
        encode: (value) => Buffer.from(value.toUpperCase()),
        decode: (bytes) => Buffer.from(bytes).toString(),
      };
      const texts = world.objects(upper); // The same at both ends.
      assert.equal(texts.sendrecvSync('abc', other, 0, other).value, 'ABC');
      assert.equal(upper.decode(upper.encode('x', []), []), 'X');
    },

    'msgpackCodec, msgpackCodec.encode, msgpackCodec.decode'() {
      const views: ArrayBufferView[] = [];
      const bytes = msgpackCodec.encode({ day: new Date(0), list: [1, 2] }, views);
      assert.deepEqual(msgpackCodec.decode(bytes, []), { day: new Date(0), list: [1, 2] });
    },

    'v8Codec, v8Codec.encode, v8Codec.decode'() {
      const ring: { next?: unknown } = {};
      ring.next = ring; // A cycle, which the usual codec refuses.
      const values = world.objects(v8Codec);
      const { value } = values.sendrecvSync(ring, other, 0, other);
      assert.equal((value as typeof ring).next, value);
      assert.deepEqual(v8Codec.decode(v8Codec.encode(new Set([1]), []), []), new Set([1]));
    },

    async 'CollectiveObjects, collectiveObjects.bcast, collectiveObjects.scatter'() {
      const texts: CollectiveObjects<string> = world.objects<string>();
      assert.equal(await texts.bcast(rank === 0 ? 'to all' : undefined, 0), 'to all');
      assert.equal(await texts.scatter(rank === 0 ? ['a', 'b'] : null, 0), rank === 0 ? 'a' : 'b');
    },

    async 'collectiveObjects.gather, collectiveObjects.allgather, collectiveObjects.alltoall'() {
      const texts = world.objects<string>();
      assert.deepEqual(await texts.gather(`r${rank}`, 0), rank === 0 ? ['r0', 'r1'] : null);
      assert.deepEqual(await texts.allgather(`r${rank}`), ['r0', 'r1']);
      const got = await texts.alltoall([`${rank} to 0`, `${rank} to 1`]);
      assert.deepEqual(got, [`0 to ${rank}`, `1 to ${rank}`]);
    },

    async 'collectiveObjects.reduce, collectiveObjects.allreduce, collectiveObjects.scan, collectiveObjects.exscan'() {
      const words = world.objects<string[]>();
      const join = (lower: string[], higher: string[]) => [...lower, ...higher];
      const mine = [rank === 0 ? 'x' : 'y'];
      assert.deepEqual(await words.reduce(mine, join, 1), rank === 1 ? ['x', 'y'] : null);
      assert.deepEqual(await words.allreduce(mine, join), ['x', 'y']);
      assert.deepEqual(await words.scan(mine, join), rank === 0 ? ['x'] : ['x', 'y']);
      assert.deepEqual(await words.exscan(mine, join), rank === 0 ? undefined : ['x']);
    },
  },
});
