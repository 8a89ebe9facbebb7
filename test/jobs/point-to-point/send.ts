/** send and recv, blocking and as promises, around a ring of any number of ranks. */
import { defineJob } from '../job.ts';
import { assert, filled, Random, verify } from '../lib.ts';
import { checkStatus, next, previous, rank, SIZES, size, world } from '../ring.ts';

export default defineJob({
  cases: {
    'a ring, blocking'() {
      for (const length of SIZES) {
        const got = new Uint8Array(length);
        const receive = world.irecv(got, previous, length);
        world.sendSync(filled(length, rank), next, length);
        checkStatus(receive.wait(), previous, length, length);
        verify(got, previous, 'the ring');
      }
      // A token that each rank takes before it passes it on.
      const token = new Float64Array(1);
      for (let round = 0; round < 50; round++) {
        if (rank === 0) world.sendSync(Float64Array.of(round * size), next, 1);
        world.recvSync(token, previous, 1);
        assert.equal(token[0], round * size + ((rank + size - 1) % size));
        token[0]++;
        if (rank !== 0) world.sendSync(token, next, 1);
      }
    },

    async 'a ring of promises'() {
      for (const length of SIZES) {
        const got = new Uint8Array(length);
        const [status] = await Promise.all([
          world.recv(got, previous, 3),
          world.send(filled(length, rank + 100), next, 3),
        ]);
        checkStatus(status, previous, 3, length);
        verify(got, previous + 100, 'the ring');
      }
      const token = new Float64Array(1);
      for (let round = 0; round < 50; round++) {
        if (rank === 0) await world.send(Float64Array.of(round * size), next, 1);
        await world.recv(token, previous, 1);
        assert.equal(token[0], round * size + ((rank + size - 1) % size));
        token[0]++;
        if (rank !== 0) await world.send(token, next, 1);
      }
    },

    async 'messages of no bytes'() {
      for (let i = 0; i < 3; i++) {
        world.isend(new Uint8Array(0), next, i);
        world.isend(new ArrayBuffer(0), next, i);
      }
      for (let i = 2; i >= 0; i--) {
        checkStatus(world.recvSync(new Uint8Array(8), previous, i), previous, i, 0);
        const status = await world.recv(new Float64Array(0), previous, i);
        checkStatus(status, previous, i, 0);
        assert.equal(status.count(Float64Array), 0);
      }
    },

    async 'some ranks block while others await'() {
      const random = new Random(11);
      for (let round = 0; round < 60; round++) {
        const length = random.pick(SIZES);
        const got = new Uint8Array(length);
        const sent = filled(length, round + rank);
        if ((rank + round) % 2 === 0) {
          const receive = world.irecv(got, previous, round);
          if (round % 3 === 0) world.sendSync(sent, next, round);
          else world.isend(sent, next, round).wait();
          receive.wait();
        } else {
          const receive = world.irecv(got, previous, round);
          await world.send(sent, next, round);
          await receive;
        }
        verify(got, round + previous, `round ${round}`);
      }
    },
  },
});
