/** Persistent sends and receives: made once, started often. */
import { ANY_SOURCE, ANY_TAG, PROC_NULL, Request, startAll } from '../../../runtime/index.ts';
import { defineJob, RING, SINGLE_COPY } from '../job.ts';
import { assert, filled, rejects, throws, verify } from '../lib.ts';
import { checkStatus, next, previous, rank, SIZES, size, world } from '../ring.ts';

const ROUNDS = 20;

export default defineJob({
  ranks: RING,
  settings: SINGLE_COPY,
  cases: {
    async 'rounds of every size, in every habit'() {
      const { persistent } = world;
      for (const length of SIZES)
        for (const kind of ['send', 'ssend'] as const) {
          const out = new Uint8Array(length);
          const into = new Uint8Array(length);
          const send = persistent[kind](out, next, 1);
          const recv = persistent.recv(into, length % 2 ? ANY_SOURCE : previous, 1);
          for (let round = 0; round < ROUNDS; round++) {
            out.set(filled(length, rank + round));
            const received = recv.start();
            assert(recv.active);
            if (round % 3 === 0) send.runSync();
            else if (round % 3 === 1) await send.run();
            else assert.equal(send.start().wait(), undefined);
            assert(!send.active);
            checkStatus(round % 2 ? received.wait() : await received, previous, 1, length);
            assert(!recv.active);
            verify(into, previous + round, 'a round');
          }
        }
    },

    async 'runSync and run of receives'() {
      const out = new Int32Array(1);
      const into = new Int32Array(1);
      const send = world.persistent.send(out, next);
      const recv = world.persistent.recv(into, previous, ANY_TAG);
      for (let round = 0; round < 300; round++) {
        out[0] = round * size + rank;
        if (rank === 0 || size === 1) send.runSync();
        checkStatus(round % 5 ? recv.runSync() : await recv.run(), previous, 0, 4);
        assert.equal(into[0], round * size + previous);
        if (rank !== 0) send.runSync();
      }
    },

    'with sends and receives that are not persistent, and startAll'() {
      const buffers = [0, 1, 2].map(() => new Int32Array(1));
      const sends = [0, 1, 2].map((i) => world.persistent.send(Int32Array.of(i), next, i));
      const recvs = buffers.map((buffer, i) => world.persistent.recv(buffer, previous, i));
      for (let round = 0; round < 5; round++) {
        const started = [...startAll(recvs), ...startAll(sends)];
        const places = new Set<number>();
        for (let i = Request.waitAny(started); i >= 0; i = Request.waitAny(started)) places.add(i);
        assert.equal(places.size, 6);
        assert.deepEqual(
          buffers.map(([value]) => value),
          [0, 1, 2],
        );
        sends[0].runSync();
        world.recvSync(buffers[0], previous, 0);
        world.isend(Int32Array.of(7), next, 1);
        recvs[1].runSync();
        assert.equal(buffers[1][0], 7);
      }
    },

    async 'a round that is under way, cancelled, failed, freed'() {
      const into = new Uint8Array(4);
      const recv = world.persistent.recv(into, previous, 5);
      const request = recv.start();
      throws('ERR_REQUEST', () => recv.start());
      await rejects('ERR_REQUEST', recv.run());
      assert(request.cancel());
      world.barrierSync();
      assert(request.wait().cancelled);
      world.isend(new Uint8Array(5), next, 5);
      throws('ERR_TRUNCATE', () => recv.runSync());
      world.isend(Uint8Array.of(1, 2, 3, 4), next, 5);
      recv.runSync();
      assert.deepEqual([...into], [1, 2, 3, 4]);
      structuredClone(into.buffer, { transfer: [into.buffer] });
      throws('ERR_BUFFER', () => recv.start());
      recv[Symbol.dispose]();
      throws('ERR_CLOSED', () => recv.start());
    },

    async nobody() {
      const send = world.persistent.send(null, PROC_NULL);
      const recv = world.persistent.recv(null, PROC_NULL);
      for (let round = 0; round < 3; round++) {
        send.runSync();
        await send.run();
        checkStatus(recv.runSync(), PROC_NULL, ANY_TAG, 0);
        checkStatus(await recv.run(), PROC_NULL, ANY_TAG, 0);
      }
    },

    'arguments are checked at the making'() {
      const { persistent } = world;
      type Make = (buffer: Uint8Array, rank: number, tag: number) => unknown;
      const makes: Make[] = [
        (buffer, to, tag) => persistent.send(buffer, to, tag),
        (buffer, to, tag) => persistent.ssend(buffer, to, tag),
        (buffer, from, tag) => persistent.recv(buffer, from, tag),
      ];
      for (const make of makes) {
        throws('ERR_BUFFER', () => make({} as never, 0, 0));
        throws('ERR_RANK', () => make(new Uint8Array(1), size, 0));
        throws('ERR_TAG', () => make(new Uint8Array(1), 0, -7));
      }
      for (const bad of [5, null, [1], [{}]]) throws('ERR_REQUEST', () => startAll(bad as never));
    },
  },
});
