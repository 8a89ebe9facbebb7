/** What the reference shows of intercommunicators (MPI 4.1, 7.6, and chapter 6 between two groups). */
import assert from 'node:assert/strict';
import { type InterCommunicator, MPI, PROC_NULL, ROOT, SUM } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world, self } = MPI;
const { rank } = world;
/** Two groups of one rank each: this one, and the other one. */
const inter = world.size > 1 ? self.createInterSync(0, world, 1 - rank) : (null as never);
/** From rank 0 of the first group to the other group. */
const root = rank === 0 ? ROOT : 0;

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    async 'communicator.createInter, InterCommunicator, interCommunicator.merge'() {
      using groups: InterCommunicator = await self.createInter(0, world, 1 - rank);
      assert.deepEqual([groups.size, groups.remoteSize], [1, 1]);
      assert.deepEqual([...groups.remoteGroup], [1 - rank]);
      // Ranks are those of the other group.
      const got = new Int32Array(1);
      await groups.sendrecv(Int32Array.of(rank), 0, 0, got, 0);
      assert.equal(got[0], 1 - rank);
      using all = await groups.merge(rank === 0); // The group that says true comes last.
      assert.equal(all.rank, 1 - rank);
    },

    async 'interCommunicator.objects'() {
      const values = inter.objects<{ from: number }>();
      const { value } = await values.sendrecv({ from: rank }, 0, 0);
      assert.equal(value.from, 1 - rank);
    },

    async 'interCommunicator.barrier'() {
      await inter.barrier(); // From here on all ranks of both groups have come so far.
    },

    async 'interCommunicator.disconnect'() {
      const groups = await self.createInter(0, world, 1 - rank);
      await groups.disconnect(); // Both groups have given it up.
    },

    async 'interCommunicator.bcast, ROOT'() {
      const numbers = rank === 0 ? Int32Array.of(1, 2) : new Int32Array(2);
      await inter.bcast(numbers, root);
      assert.deepEqual([...numbers], [1, 2]);
    },

    async 'interCommunicator.gather, interCommunicator.gatherv'() {
      const all = await inter.gather(
        Int32Array.of(rank),
        rank === 0 ? new Int32Array(1) : null,
        root,
      );
      assert.deepEqual(all, rank === 0 ? Int32Array.of(1) : null);
      const blocks = rank === 0 ? [new Int32Array(2)] : null;
      await inter.gatherv(rank === 0 ? null : Int32Array.of(3, 4), blocks, root);
      if (blocks !== null) assert.deepEqual([...blocks[0]], [3, 4]);
    },

    async 'interCommunicator.scatter, interCommunicator.scatterv'() {
      const room = rank === 0 ? null : new Int32Array(2);
      await inter.scatter(rank === 0 ? Int32Array.of(5, 6) : null, room, root);
      if (room !== null) assert.deepEqual([...room], [5, 6]);
      await inter.scatterv(rank === 0 ? [Int32Array.of(7, 8)] : null, room, root);
      if (room !== null) assert.deepEqual([...room], [7, 8]);
    },

    async 'interCommunicator.allgather, interCommunicator.allgatherv'() {
      assert.deepEqual(await inter.allgather(Int32Array.of(rank)), Int32Array.of(1 - rank));
      const blocks = [new Int32Array(2 - rank)];
      await inter.allgatherv(new Int32Array(rank + 1).fill(rank), blocks);
      assert.deepEqual([...blocks[0]], rank === 0 ? [1, 1] : [0]);
    },

    async 'interCommunicator.alltoall, interCommunicator.alltoallv'() {
      assert.deepEqual(await inter.alltoall(Int32Array.of(rank)), Int32Array.of(1 - rank));
      const got = [rank === 0 ? new Float64Array(1) : new Uint8Array(3)];
      await inter.alltoallv([rank === 0 ? Buffer.from('abc') : Float64Array.of(0.5)], got);
      assert.deepEqual(String(got), rank === 0 ? '0.5' : '97,98,99');
    },

    async 'interCommunicator.reduce'() {
      // A sum over the other group; in the group of the root the others would pass PROC_NULL.
      const where = root === ROOT || rank === 1 ? root : PROC_NULL;
      assert.equal(await inter.reduce(rank + 1, SUM, where), rank === 0 ? 2 : null);
    },

    async 'interCommunicator.allreduce'() {
      assert.equal(await inter.allreduce(rank + 1, SUM), 2 - rank); // Of the other group.
    },

    async 'interCommunicator.reduceScatterBlock, interCommunicator.reduceScatter'() {
      const given = Int32Array.of(rank, 10 + rank);
      assert.deepEqual(
        [...(await inter.reduceScatterBlock(given, null, SUM))],
        [1 - rank, 11 - rank],
      );
      assert.deepEqual(
        [...(await inter.reduceScatter(given, null, [2], SUM))],
        [1 - rank, 11 - rank],
      );
    },
  },
});
