/** Which message a receive takes: by source and tag, in the order of coming and of posting. */
import { ANY_SOURCE, ANY_TAG, Request } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, filled, verify } from '../lib.ts';
import { checkStatus, rank, size, world } from '../ring.ts';

export default defineJob({
  cases: {
    'any source, any tag'() {
      const each = 20;
      if (rank !== 0) {
        for (let i = 0; i < each; i++) world.sendSync(Int32Array.of(rank, i), 0, rank * 1000 + i);
        return;
      }
      const nextOf = new Array(size).fill(0);
      const got = new Int32Array(2);
      for (let i = 0; i < each * (size - 1); i++) {
        const status = world.recvSync(got, ANY_SOURCE, ANY_TAG);
        const [source, number] = got;
        checkStatus(status, source, source * 1000 + number, 8);
        assert.equal(number, nextOf[source]++, 'messages of one rank overtook each other');
      }
      assert.deepEqual(nextOf.slice(1), new Array(size - 1).fill(each));
    },

    'receives match in the order of posting'() {
      const target = 0;
      const sender = size - 1;
      const shapes = [
        [ANY_SOURCE, 5],
        [sender, ANY_TAG],
        [ANY_SOURCE, ANY_TAG],
        [sender, 5],
        [sender, 5],
        [ANY_SOURCE, 5],
      ];
      const numbers = shapes.map(() => new Int32Array(1));
      const requests =
        rank === target ? shapes.map(([s, t], i) => world.irecv(numbers[i], s, t)) : [];
      world.barrierSync();
      if (rank === sender)
        for (let i = 0; i < shapes.length; i++) world.sendSync(Int32Array.of(i), target, 5);
      if (rank !== target) return;
      Request.waitAll(requests);
      assert.deepEqual(
        numbers.map((view) => view[0]),
        [0, 1, 2, 3, 4, 5],
      );
    },

    'messages that nobody asked for are taken in the order of their coming'() {
      if (rank === size - 1)
        for (let i = 0; i < 30; i++)
          world.isend(filled(i % 3 === 0 ? 20_000 : 8, i), 0, 100 + (i % 5));
      world.barrierSync();
      if (rank !== 0) return;
      const got = new Uint8Array(20_000);
      const taken: number[] = [];
      const take = (tag: number, expected: number) => {
        const status = world.recvSync(got, tag % 2 ? size - 1 : ANY_SOURCE, tag);
        assert.equal(status.tag, 100 + (expected % 5));
        verify(got.subarray(0, status.byteLength), expected, `message ${expected}`);
        taken.push(expected);
      };
      take(103, 3);
      take(ANY_TAG, 0);
      take(ANY_TAG, 1);
      take(101, 6);
      take(103, 8);
      take(ANY_TAG, 2);
      take(ANY_TAG, 4);
      for (let i = 0; i < 30; i++) if (!taken.includes(i)) take(ANY_TAG, i);
    },
  },
});
