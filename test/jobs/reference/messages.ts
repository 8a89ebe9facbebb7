/** What the reference shows of messages and requests: each case is the example of the names that it is called by. */
import assert from 'node:assert/strict';
import {
  ANY_SOURCE,
  ANY_TAG,
  type ArrayType,
  type ElementType,
  type Message,
  type MessageBuffer,
  MPI,
  PROC_NULL,
  Request,
  Status,
  TAG_UB,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
const { rank } = world;
const other = 1 - rank;

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    async 'communicator.send, communicator.recv, ANY_SOURCE, ANY_TAG, Status'() {
      if (rank === 0) {
        await world.send(Float64Array.of(3.5, 4.5), 1, 7);
      } else {
        const numbers = new Float64Array(10);
        const status: Status = await world.recv(numbers, ANY_SOURCE, ANY_TAG);
        assert.deepEqual({ ...status }, { source: 0, tag: 7, byteLength: 16 });
        assert.deepEqual(numbers.subarray(0, 2), Float64Array.of(3.5, 4.5));
      }
    },

    'status.count, ElementType'() {
      const type: ElementType = Float64Array;
      world.isend(new Float64Array(3), other);
      const status = world.recvSync(new Float64Array(10));
      assert.equal(status.count(type), 3);
      // Elements of 16 bytes: 24 bytes are no whole number of them.
      assert.equal(status.count(16), undefined);
    },

    'PROC_NULL, status.setNull'() {
      // A row of ranks without a ring: the first has nobody before it.
      const before = rank === 0 ? PROC_NULL : rank - 1;
      const after = rank === 1 ? PROC_NULL : rank + 1;
      const got = Int32Array.of(-1);
      const status = world.sendrecvSync(Int32Array.of(rank), after, 0, got, before);
      assert.equal(got[0], rank === 0 ? -1 : 0);
      if (rank === 0) assert.deepEqual(status, new Status().setNull());
    },

    TAG_UB() {
      world.isend(new Uint8Array(1), other, TAG_UB);
      assert.equal(world.recvSync(new Uint8Array(1), other, TAG_UB).tag, 2 ** 31 - 1);
    },

    MessageBuffer() {
      const buffers: MessageBuffer[] = [
        Float32Array.of(1, 2),
        Buffer.from('eight by'),
        new ArrayBuffer(8),
        new DataView(new SharedArrayBuffer(8)),
      ];
      for (const buffer of buffers) {
        world.isend(buffer, other);
        assert.equal(world.recvSync(new Uint8Array(100), other).byteLength, 8);
      }
    },

    async 'communicator.ssend'() {
      // Not complete before the receive has begun.
      if (rank === 0) await world.ssend(Uint8Array.of(1), 1);
      else await world.recv(new Uint8Array(1), 0);
    },

    'communicator.bsend, communicator.flushBuffer'() {
      const word = Uint8Array.of(5);
      world.bsend(word, other);
      word[0] = 6; // What was sent is a copy.
      const got = new Uint8Array(1);
      world.recvSync(got, other);
      assert.equal(got[0], 5);
      world.flushBufferSync(); // All copies have left.
    },

    async 'communicator.isend, communicator.irecv, Request, request.wait, request.test'() {
      const got = new Int32Array(1);
      const receive: Request = world.irecv(got, other);
      const send = world.isend(Int32Array.of(rank), other);
      while (!receive.test()) await new Promise(setImmediate); // Something else may be done here.
      assert.equal(receive.status.source, other);
      send.wait();
      assert.deepEqual([send.done, got[0]], [true, other]);
    },

    async 'communicator.issend'() {
      const sent = world.issend(Uint8Array.of(rank), other);
      await world.recv(new Uint8Array(1), other);
      await sent; // The other rank has begun its receive.
    },

    'request.cancel'() {
      const receive = world.irecv(new Uint8Array(1), other, 9);
      assert.equal(receive.cancel(), true); // No message had come for it.
      assert.equal(receive.status.cancelled, true);
    },

    async 'request.then, request.catch, request.finally'() {
      const words: string[] = [];
      const send = world.isend(new Uint8Array(100), other);
      const short = world.irecv(new Uint8Array(10), other);
      await short
        .then((status) => `${status.byteLength} bytes`)
        .catch((error) => error.code)
        .then((word) => words.push(word));
      await send.finally(() => words.push('sent'));
      assert.deepEqual(words, ['ERR_TRUNCATE', 'sent']);
    },

    'Request.waitAll, Request.testAll'() {
      const got = new Int32Array(2);
      const requests = [
        world.irecv(got.subarray(0, 1), other, 1),
        world.irecv(got.subarray(1), other, 2),
        world.isend(Int32Array.of(20), other, 2),
        world.isend(Int32Array.of(10), other, 1),
      ];
      Request.waitAll(requests);
      assert.deepEqual([...got], [10, 20]);
      assert.equal(Request.testAll(requests), true);
    },

    'Request.waitAny, Request.testAny'() {
      const requests = [1, 2, 3].map((tag) => world.irecv(new Uint8Array(1), other, tag));
      assert.equal(Request.testAny(requests), -1); // None has ended.
      world.barrierSync(); // The other rank has looked, too.
      world.isend(new Uint8Array(1), other, 2);
      assert.equal(Request.waitAny(requests), 1); // The one with tag 2.
      for (const request of requests) request.cancel();
    },

    'Request.waitSome, Request.testSome'() {
      const requests = [1, 2].map((tag) => world.irecv(new Uint8Array(1), other, tag));
      world.isend(new Uint8Array(1), other, 2);
      assert.deepEqual(Request.waitSome(requests), [1]);
      assert.deepEqual(Request.testSome(requests), []);
      world.barrierSync(); // The other rank has looked, too.
      world.isend(new Uint8Array(1), other, 1);
      assert.deepEqual(Request.waitSome(requests), [0]);
    },

    async 'Request.all, Request.any'() {
      const receives = [1, 2].map((tag) => world.irecv(new Uint8Array(1), other, tag));
      const sends = [1, 2].map((tag) => world.isend(Uint8Array.of(tag), other, tag));
      const first = await Request.any(receives);
      assert.ok(first === 0 || first === 1);
      await Request.all([...receives, ...sends]);
    },

    async 'communicator.probe'() {
      world.isend(Float32Array.of(1, 2, 3), other);
      const { source, tag, byteLength } = await world.probe();
      const numbers = new Float32Array(byteLength / 4); // As long as the message.
      await world.recv(numbers, source, tag);
      assert.deepEqual([...numbers], [1, 2, 3]);
    },

    'communicator.iprobe'() {
      world.isend(new Uint8Array(3), other, 4);
      let status: Status | null = null;
      while (status === null) status = world.iprobe(other, 4); // Or something else to do.
      assert.equal(status.byteLength, 3);
      world.recvSync(new Uint8Array(3), other, 4);
    },

    async 'communicator.mprobe, Message, message.recv'() {
      world.isend(Int16Array.of(rank, 7), other);
      const message: Message = await world.mprobe(other);
      const words = new Int16Array(message.byteLength / 2);
      await message.recv(words); // No other receive could get it.
      assert.deepEqual([...words], [other, 7]);
    },

    'communicator.improbe, message.irecv'() {
      world.isend(Uint8Array.of(1, 2), other);
      let message: Message | null = null;
      while (message === null) message = world.improbe(other);
      const bytes = new Uint8Array(message.byteLength);
      message.irecv(bytes).wait();
      assert.deepEqual([...bytes], [1, 2]);
    },

    async 'message.take, ArrayType'() {
      const type: ArrayType<Float64Array> = Float64Array;
      world.isend(Float64Array.of(0.5, 1.5), other);
      const numbers = await (await world.mprobe(other)).take(type);
      assert.deepEqual(numbers, Float64Array.of(0.5, 1.5));
    },

    async 'communicator.sendrecv'() {
      const got = new Int32Array(1);
      const status = await world.sendrecv(Int32Array.of(rank), other, 3, got, other, 3);
      assert.deepEqual([got[0], status.tag], [other, 3]);
    },

    async 'communicator.sendrecvReplace'() {
      const number = Int32Array.of(rank);
      await world.sendrecvReplace(number, other);
      assert.equal(number[0], other);
    },

    async 'communicator.messages'() {
      for (const text of ['one', 'two', '']) world.isend(Buffer.from(text), other, 5);
      const texts: string[] = [];
      for await (const message of world.messages({ tag: 5 })) {
        const bytes = await message.take(Uint8Array);
        if (bytes.length === 0) break; // The end, as these two have agreed.
        texts.push(Buffer.from(bytes).toString());
      }
      assert.deepEqual(texts, ['one', 'two']);
    },
  },
});
