/** Persistent collective operations, and several operations at once. */
import { startAll } from '../../../runtime/index.ts';
import { checkEqual, elements, joined } from '../elements.ts';
import { defineJob } from '../job.ts';
import { assert, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

const ranks = Array.from({ length: size }, (_, one) => one);
const mod = (one: number) => one % size;

export default defineJob({
  cases: {
    async 'each operation, round after round, in both habits'() {
      const { persistent } = world;
      const data = new Float64Array(6);
      const mine = new Float64Array(6);
      const all = new Float64Array(6 * size);
      const blocks = { data: new Float64Array(6 * size), counts: ranks.map(() => 6) };
      const root = mod(1);
      const operations = [
        persistent.barrier(),
        persistent.bcast(data, root),
        persistent.gather(mine, rank === root ? all : null, root),
        persistent.scatter(rank === root ? all : null, data, root),
        persistent.allgather(mine, all),
        persistent.alltoall(all, new Float64Array(6 * size)),
        persistent.gatherv(mine, rank === root ? blocks : null, root),
        persistent.scatterv(rank === root ? blocks : null, data, root),
        persistent.allgatherv(mine, blocks),
        persistent.alltoallv({ ...blocks, data: all }, blocks),
      ] as const;
      for (let round = 0; round < 4; round++) {
        mine.set(elements(6, rank + round));
        if (rank === root) data.set(elements(6, round));
        const expected = joined(ranks.map((one) => elements(6, one + round)));
        for (const [place, operation] of operations.entries()) {
          assert.equal(operation.active, false);
          if ((round + place + rank) % 2) operation.runSync();
          else await operation.run();
          if (place === 1) checkEqual(data, elements(6, round), 'bcast');
          if (place === 2 && rank === root) checkEqual(all, expected, 'gather');
          if (place === 3) checkEqual(data, elements(6, rank + round), 'scatter');
          if (place === 4) checkEqual(all, expected, 'allgather');
          if (place === 8) checkEqual(blocks.data, expected, 'allgatherv');
        }
        for (const from of ranks)
          checkEqual(blocks.data.subarray(6 * from, 6 * from + 6), elements(6, rank + round), 'v');
      }
      for (const operation of operations) operation[Symbol.dispose]();
    },
    async 'made in one order, started in another at each rank'() {
      const arrays = ranks.map((root) => (root === rank ? elements(4, root) : new Float64Array(4)));
      const operations = ranks.map((root) => world.persistent.bcast(arrays[root], root));
      for (let round = 0; round < 3; round++) {
        const order = ranks.map((one) => operations[mod(one + rank + round)]);
        await Promise.all(startAll(order));
        for (const root of ranks) checkEqual(arrays[root], elements(4, root), `root ${root}`);
      }
      for (const operation of operations) operation[Symbol.dispose]();
    },
    async 'what is wrong with a start'() {
      const data = new Float64Array(2);
      const operation = world.persistent.allgather(data);
      const request = operation.start();
      if (size > 1 && !request.done) throws('ERR_REQUEST', () => operation.start());
      await request;
      structuredClone(data.buffer, { transfer: [data.buffer] });
      throws('ERR_BUFFER', () => operation.start());
      operation[Symbol.dispose]();
      throws('ERR_CLOSED', () => operation.runSync());
      throws('ERR_RANK', () => world.persistent.bcast(new Uint8Array(1), size));
    },
    async 'started in order, and finished out of order'() {
      const arrays = Array.from({ length: 8 }, (_, i) =>
        mod(i) === rank ? elements(i * 3000, i) : new Float64Array(i * 3000),
      );
      const requests = arrays.map((data, i) => world.bcast(data, mod(i)));
      for (let i = arrays.length - 1; i >= 0; i--) {
        if ((i + rank) % 2) requests[i].wait();
        else await requests[i];
        checkEqual(arrays[i], elements(i * 3000, i), `call ${i}`);
      }
    },
    async 'on several communicators at once'() {
      const copy = await world.dup();
      const half = await world.split(rank % 2, -rank);
      const first = world.allgather(Int32Array.of(rank));
      const second = copy.alltoall(Int32Array.from(ranks, (to) => rank * 100 + to));
      const third = half.allgather(Int32Array.of(rank));
      const order = rank % 2 ? [first, second, third] : [third, second, first];
      for (const request of order) await request;
      assert.deepEqual([...first.result], ranks);
      assert.deepEqual(
        [...second.result],
        ranks.map((from) => from * 100 + rank),
      );
      const same = ranks.filter((one) => one % 2 === rank % 2).reverse();
      assert.deepEqual([...third.result], same);
      copy.free();
      half.free();
    },
  },
});
