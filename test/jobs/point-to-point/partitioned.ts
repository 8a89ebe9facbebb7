/** psend and precv: partitions leave when they are ready, and say when they are there. */
import { Worker } from 'node:worker_threads';
import { ANY_SOURCE, ANY_TAG, PROC_NULL } from '../../../runtime/index.ts';
import { defineJob, RING, SINGLE_COPY } from '../job.ts';
import { assert, filled, Random, rejects, throws, verify } from '../lib.ts';
import { checkStatus, next, previous, rank, size, world } from '../ring.ts';

/** Bytes, the sender's partitions, the receiver's. */
const SHAPES = [
  [0, 1, 1],
  [8, 1, 8],
  [48, 8, 1],
  [4096, 4, 4],
  [60_000, 6, 4],
  [60_000, 4, 6],
  [1_200_000, 3, 50],
] as const;

/** A worker that fills each partition with a number, and says so by its word. */
const FILLER = `
const { workerData: { memory, flags, partitions, value, wait } } = require('node:worker_threads');
const bytes = new Uint8Array(memory);
const size = bytes.length / partitions;
for (let i = partitions - 1; i >= 0; i--) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, wait);
  bytes.fill(value + i, i * size, (i + 1) * size);
  Atomics.store(flags, i, 1);
}`;

function filler(memory: SharedArrayBuffer, flags: Int32Array, value: number, wait: number) {
  const partitions = flags.length;
  const workerData = { memory, flags, partitions, value, wait };
  const worker = new Worker(FILLER, { eval: true, workerData });
  return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
}

export default defineJob({
  ranks: RING,
  settings: SINGLE_COPY,
  cases: {
    async 'rounds, in any order, with other partitions at each end'() {
      for (const [length, theirs, ours] of SHAPES) {
        const out = new Uint8Array(length);
        const into = new Uint8Array(length);
        using send = world.persistent.psend(out, theirs, next, 3);
        using recv = world.persistent.precv(into, ours, previous, 3);
        for (let round = 0; round < 6; round++) {
          const received = recv.start();
          const sent = send.start();
          out.set(filled(length, rank * 10 + round));
          const order = Array.from({ length: theirs }, (_, i) => i);
          const random = new Random(round);
          order.sort(() => random.below(3) - 1);
          assert.equal(sent.done, false);
          if (round % 3 === 0) for (const i of order) send.ready(i);
          else if (round % 3 === 1) send.readyList(order);
          else send.readyRange(0, theirs - 1);
          if (round % 2) checkStatus(received.wait(), previous, 3, length);
          else {
            const seen: number[] = [];
            for await (const i of recv.arrivals()) {
              assert(recv.arrived(i));
              seen.push(i);
            }
            assert.deepEqual(
              seen.sort((a, b) => a - b),
              Array.from({ length: ours }, (_, i) => i),
            );
            checkStatus(await received, previous, 3, length);
          }
          assert(recv.flags.every((flag) => flag === 1));
          verify(into, previous * 10 + round, 'a round');
          if (round % 2) sent.wait();
          else assert.equal(await sent, undefined);
        }
      }
    },

    'what is ready arrives before the rest'() {
      const out = new Uint8Array(40);
      const into = new Uint8Array(40);
      const send = world.persistent.psend(out, 4, next, 4);
      const recv = world.persistent.precv(into, 4, previous, 4);
      const received = recv.start();
      const sent = send.start();
      out.fill(7, 20, 30);
      send.ready(2);
      while (!recv.arrived(2));
      assert.deepEqual([recv.arrived(0), recv.arrived(1), recv.arrived(3)], [false, false, false]);
      assert(into.subarray(20, 30).every((byte) => byte === 7));
      assert.equal(sent.test(), false);
      world.barrierSync();
      send.readyList([0, 1, 3]);
      sent.wait();
      received.wait();
    },

    async 'workers fill, and store a word'() {
      const partitions = 8;
      const memory = new SharedArrayBuffer(partitions * 10_000);
      const into = new Uint8Array(memory.byteLength);
      const send = world.persistent.psend(memory, partitions, next, 5);
      const recv = world.persistent.precv(into, partitions, previous, 5);
      for (const how of ['await', 'wait', 'elsewhere']) {
        const received = recv.start();
        const sent = send.start();
        const ended = filler(memory, send.flags, rank, how === 'wait' ? 2 : 1);
        if (how === 'elsewhere') {
          // In another call of the main thread's.
          received.wait();
          sent.wait();
        } else if (how === 'await') await Promise.all([received, sent]);
        else {
          sent.wait();
          received.wait();
        }
        for (let i = 0; i < into.length; i++)
          assert.equal(into[i], previous + Math.floor(i / 10_000));
        await ended;
        into.fill(0);
      }
    },

    'several pairs with one tag match in the order of their making'() {
      const outs = [1, 2, 3].map((value) => Uint8Array.of(value));
      const intos = outs.map(() => new Uint8Array(1));
      const sends = outs.map((out) => world.persistent.psend(out, 1, next, 6));
      const recvs = intos.map((into) => world.persistent.precv(into, 1, previous, 6));
      const rounds = [...recvs.map((recv) => recv.start()), ...sends.map((send) => send.start())];
      for (const send of [...sends].reverse()) send.ready(0);
      for (const round of rounds) round.wait();
      assert.deepEqual(
        intos.map(([value]) => value),
        [1, 2, 3],
      );
    },

    async 'bad input, before anything is begun'() {
      const { persistent } = world;
      const bytes = new Uint8Array(12);
      for (const count of [0, -1, 1.5, 5, 2 ** 17, '4', null]) {
        throws('ERR_COUNT', () => persistent.psend(bytes, count as never, next, 7));
        throws('ERR_COUNT', () => persistent.precv(bytes, count as never, previous, 7));
      }
      throws('ERR_BUFFER', () => persistent.psend({} as never, 4, next, 7));
      throws('ERR_RANK', () => persistent.psend(bytes, 4, size, 7));
      throws('ERR_RANK', () => persistent.precv(bytes, 4, ANY_SOURCE, 7));
      throws('ERR_TAG', () => persistent.precv(bytes, 4, previous, ANY_TAG));
      throws('ERR_TAG', () => persistent.psend(bytes, 4, next, 2 ** 29));
      const send = persistent.psend(bytes, 4, next, 8);
      const recv = persistent.precv(new Uint8Array(12), 4, previous, 8);
      throws('ERR_REQUEST', () => send.ready(0));
      await rejects('ERR_REQUEST', recv.arrivals().next());
      const rounds = [recv.start(), send.start()];
      throws('ERR_REQUEST', () => send.start());
      throws('ERR_REQUEST', () => recv.start());
      for (const bad of [4, -1, 0.5, '1']) {
        throws('ERR_ARG', () => send.ready(bad as never));
        throws('ERR_ARG', () => send.readyList([0, bad as never]));
        throws('ERR_ARG', () => recv.arrived(bad as never));
      }
      for (const bad of [null, undefined, {}])
        throws('ERR_ARG', () => send.readyList(bad as never));
      world.barrierSync();
      send.ready(1);
      throws('ERR_REQUEST', () => send.ready(1));
      throws('ERR_REQUEST', () => send.readyRange(0, 3));
      send.readyList([0, 2, 3]);
      for (const round of rounds) round.wait();
      using shorter = persistent.precv(new Uint8Array(8), 4, previous, 9);
      using longer = persistent.psend(bytes, 4, next, 9);
      throws('ERR_TRUNCATE', () => shorter.runSync());
      assert.equal(longer.active, false);
    },

    async nobody() {
      const send = world.persistent.psend(null, 1, PROC_NULL);
      const recv = world.persistent.precv(null, 1, PROC_NULL, 1);
      const sent = send.start();
      send.ready(0);
      await sent;
      checkStatus(await recv.run(), PROC_NULL, ANY_TAG, 0);
      assert(recv.arrived(0));
    },
  },
});
