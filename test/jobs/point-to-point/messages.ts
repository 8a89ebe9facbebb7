/** messages(): an asynchronous loop over what comes; and what takes a receive, a probe or the loop back. */
import type { Message } from '../../../runtime/index.ts';
import { defineJob, RING } from '../job.ts';
import { assert, filled, pause, verify } from '../lib.ts';
import { checkStatus, next, previous, rank, SIZES, world } from '../ring.ts';

const END = 1;

async function reason(operation: Promise<unknown>): Promise<unknown> {
  try {
    await operation;
  } catch (error) {
    return error;
  }
  return assert.fail('nothing failed');
}

export default defineJob({
  ranks: RING,
  cases: {
    async 'messages of any size, until one says that it is the last'() {
      const sending = (async () => {
        for (const length of SIZES) await world.send(filled(length, length), next, 0);
        await world.send(new Uint8Array(0), next, END);
      })();
      const seen: number[] = [];
      for await (const message of world.messages({ source: previous })) {
        const bytes = await message.take(Uint8Array);
        if (message.tag === END) break;
        verify(bytes, message.byteLength, 'a message');
        seen.push(message.byteLength);
      }
      assert.deepEqual(seen, SIZES);
      await sending;
      assert.equal(world.improbe(), null);
      await world.barrier();
    },

    async 'several consumers: each message goes to one of them'() {
      const count = 200;
      const consumers = 4;
      const got: number[] = [];
      const consume = async () => {
        for await (const message of world.messages({ tag: 2 })) {
          const [number] = await message.take(Int32Array);
          if (number < 0) return;
          got.push(number);
          if (number % 50 === 0) await pause(1);
        }
      };
      const loops = Array.from({ length: consumers }, consume);
      for (let i = 0; i < count; i++) await world.send(Int32Array.of(i), next, 2);
      for (let i = 0; i < consumers; i++) await world.send(Int32Array.of(-1), next, 2);
      await Promise.all(loops);
      assert.deepEqual(
        got.sort((a, b) => a - b),
        Array.from({ length: count }, (_, i) => i),
      );
      await world.barrier();
    },

    async 'what is not asked for holds its sender back'() {
      const count = 300;
      const sends = Array.from({ length: count }, (_, i) =>
        world.isend(filled(100_000, i), next, 3),
      );
      let at = 0;
      for await (const message of world.messages({ source: previous, tag: 3 })) {
        if (at === 0) {
          await pause(20);
          assert(sends.filter(({ done }) => done).length < count);
        }
        verify(await message.take(Uint8Array), at++, 'a message');
        if (at === count) break;
      }
      for (const send of sends) await send;
      await world.barrier();
    },

    async 'leaving a loop takes its probe back'() {
      const loop = world.messages({ source: previous, tag: 4 });
      const waiting = loop.next();
      assert.deepEqual(await loop.return?.(), { done: true, value: undefined });
      assert.deepEqual(await waiting, { done: true, value: undefined });
      assert.deepEqual(await loop.next(), { done: true, value: undefined });
      await world.barrier();
      world.isend(Uint8Array.of(5), next, 4);
      const got = new Uint8Array(1);
      checkStatus(world.recvSync(got, previous, 4), previous, 4, 1);
      assert.equal(got[0], 5);
    },

    async 'a signal takes back what waits, with its reason'() {
      const why = new Error('no time');
      const waits: ((signal: AbortSignal) => Promise<unknown>)[] = [
        (signal) => world.recv(new Uint8Array(1), previous, 5, { signal }),
        (signal) => world.probe(previous, 5, { signal }),
        (signal) => world.mprobe(previous, 5, { signal }),
        async (signal) => {
          for await (const message of world.messages({ source: previous, tag: 5, signal }))
            assert.fail(`${message}`);
        },
      ];
      for (const wait of waits) {
        assert.equal(await reason(wait(AbortSignal.abort(why))), why);
        const controller = new AbortController();
        const waiting = reason(wait(controller.signal));
        await pause(1);
        controller.abort(why);
        assert.equal(await waiting, why);
      }
      await world.barrier();
      world.isend(Uint8Array.of(6), next, 5);
      const got = new Uint8Array(1);
      world.recvSync(got, previous, 5);
      assert.equal(got[0], 6);
    },

    async 'aborting at any moment loses no message'() {
      const count = 300;
      const sending = (async () => {
        for (let i = 0; i < count; i++) {
          await world.send(Int32Array.of(i), next, 6);
          if (i % 8 === rank % 8) await pause(0);
        }
      })();
      for (let i = 0; i < count; ) {
        const controller = new AbortController();
        const { signal } = controller;
        const got = new Int32Array(1);
        const taken =
          i % 2 === 0
            ? world.recv(got, previous, 6, { signal })
            : world.mprobe(previous, 6, { signal }).then((message: Message) => message.recv(got));
        if (i % 3 === 0) setImmediate(() => controller.abort());
        else if (i % 3 === 1) controller.abort();
        else setTimeout(() => controller.abort(), 1);
        try {
          await taken;
          assert.equal(got[0], i++);
        } catch (error) {
          assert.equal((error as Error).name, 'AbortError');
          // What is taken back at once gives no turn to the event loop.
          await pause(0);
        }
      }
      await sending;
      await world.barrier();
    },
  },
});
