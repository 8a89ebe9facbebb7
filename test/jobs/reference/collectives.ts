/** What the reference shows of collective operations (MPI 4.1, chapter 6). */
import assert from 'node:assert/strict';
import {
  type AnyBlocks,
  type Blocks,
  IN_PLACE,
  type InPlace,
  MAX,
  MPI,
  type ReduceOptions,
  SUM,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
const { rank } = world;

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    async 'communicator.barrier'() {
      await world.barrier(); // From here on both ranks have come so far.
    },

    async 'communicator.bcast'() {
      const settings = new Float64Array(2);
      if (rank === 0) settings.set([0.5, 100]);
      await world.bcast(settings, 0);
      assert.deepEqual([...settings], [0.5, 100]);
    },

    async 'communicator.gather'() {
      const all = await world.gather(Int32Array.of(rank, rank * rank), null, 0);
      assert.deepEqual(all, rank === 0 ? Int32Array.of(0, 0, 1, 1) : null);
    },

    async 'communicator.gatherv, Blocks'() {
      // One number of rank 0, two of rank 1, with a gap between them.
      const room: Blocks<Int32Array> = { data: new Int32Array(4), counts: [1, 2], displs: [0, 2] };
      await world.gatherv(new Int32Array(rank + 1).fill(rank + 1), room, 0);
      if (rank === 0) assert.deepEqual([...room.data], [1, 0, 2, 2]);
    },

    async 'communicator.scatter'() {
      const all = rank === 0 ? Float32Array.of(1, 2, 3, 4) : null;
      const mine = await world.scatter(all, new Float32Array(2), 0);
      assert.deepEqual([...mine], rank === 0 ? [1, 2] : [3, 4]);
    },

    async 'communicator.scatterv'() {
      const all = Float32Array.of(1, 2, 3);
      const blocks = rank === 0 ? [all.subarray(0, 1), all.subarray(1)] : null;
      const mine = new Float32Array(rank + 1);
      await world.scatterv(blocks, mine, 0);
      assert.deepEqual([...mine], rank === 0 ? [1] : [2, 3]);
    },

    async 'communicator.allgather, IN_PLACE, InPlace'() {
      const all = await world.allgather(Int32Array.of(rank + 1));
      assert.deepEqual([...all], [1, 2]);
      // The same without a copy: each rank's block lies in its place.
      const inPlace: InPlace = IN_PLACE;
      const table = new Int32Array(2);
      table[rank] = rank + 1;
      await world.allgather(inPlace, table);
      assert.deepEqual([...table], [1, 2]);
    },

    async 'communicator.allgatherv'() {
      // Nobody knows how much the other one has: the lengths are exchanged first.
      const mine = new Int32Array(rank + 1).fill(rank);
      assert.deepEqual(await world.allgatherv(mine), [Int32Array.of(0), Int32Array.of(1, 1)]);
    },

    async 'communicator.alltoall'() {
      const got = await world.alltoall(Int32Array.of(10 * rank, 10 * rank + 1));
      assert.deepEqual([...got], [rank, 10 + rank]);
    },

    async 'communicator.alltoallv, AnyBlocks'() {
      // Rank 0 gets bytes, rank 1 numbers.
      const given: AnyBlocks = [Uint8Array.of(7 + rank), Float64Array.of(0.5 + rank)];
      const got = [0, 1].map(() => (rank === 0 ? new Uint8Array(1) : new Float64Array(1)));
      await world.alltoallv(given, got);
      assert.deepEqual(got.map(Number), rank === 0 ? [7, 8] : [0.5, 1.5]);
    },

    async 'communicator.reduce'() {
      const most = await world.reduce(Float64Array.of(rank, 10 - rank), null, MAX, 0);
      assert.deepEqual(most, rank === 0 ? Float64Array.of(1, 10) : null);
      const sum = await world.reduce(2n ** 40n, SUM, 1);
      assert.equal(sum, rank === 1 ? 2n ** 41n : null);
    },

    async 'communicator.allreduce, ReduceOptions'() {
      assert.equal(await world.allreduce(rank + 1, SUM), 3);
      const gradients = Float32Array.of(0.25, rank);
      await world.allreduce(gradients, SUM); // In place.
      assert.deepEqual([...gradients], [0.5, 1]);
      // The same bits with any number of ranks.
      const exact: ReduceOptions = { reproducible: 'any size' };
      assert.equal(await world.allreduce(rank === 0 ? 1e300 : 1, SUM, exact), 1e300);
    },

    async 'communicator.reduceScatterBlock'() {
      const mine = await world.reduceScatterBlock(Int32Array.of(1, 2, 3, 4), null, SUM);
      assert.deepEqual([...mine], rank === 0 ? [2, 4] : [6, 8]);
    },

    async 'communicator.reduceScatter'() {
      const mine = await world.reduceScatter(Int32Array.of(1, 2, 3), null, [1, 2], SUM);
      assert.deepEqual([...mine], rank === 0 ? [2] : [4, 6]);
    },

    async 'communicator.scan, communicator.exscan'() {
      const length = 10 * (rank + 1); // Each rank has so many lines of a file.
      const end = await world.scan(length, SUM);
      const start = (await world.exscan(length, SUM)) ?? 0; // At rank 0 there is none.
      assert.deepEqual([start, end], rank === 0 ? [0, 10] : [10, 30]);
    },
  },
});
