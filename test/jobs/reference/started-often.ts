/** What the reference shows of persistent and partitioned operations (MPI 4.1, 3.9, chapter 4, 6.13 and 8.8). */
import assert from 'node:assert/strict';
import {
  MPI,
  type PartitionedReceive,
  type PartitionedSend,
  type Persistent,
  type PersistentCollectives,
  type PersistentNeighbors,
  type PersistentOperations,
  type PersistentReductions,
  SUM,
  startAll,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
const { rank } = world;
const other = 1 - rank;

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    'persistentOperations.send, persistentOperations.recv, PersistentOperations, Persistent, persistent.start'() {
      const make: PersistentOperations = world.persistent;
      const number = new Int32Array(1);
      using operation: Persistent<unknown> =
        rank === 0 ? make.send(number, 1) : make.recv(number, 0);
      for (let round = 0; round < 3; round++) {
        if (rank === 0) number[0] = round;
        operation.start().wait();
        assert.equal(number[0], round);
      }
    },

    async 'persistent.run, persistentOperations.ssend'() {
      const { persistent } = world;
      const got = new Uint8Array(1);
      using receive = persistent.recv(got, other);
      using send = persistent.ssend(Uint8Array.of(rank), other);
      await Promise.all([receive.run(), send.run()]);
      assert.equal(got[0], other);
    },

    startAll() {
      const got = new Uint8Array(1);
      using receive = world.persistent.recv(got, other);
      using send = world.persistent.send(Uint8Array.of(rank), other);
      for (const request of startAll<unknown>([receive, send])) request.wait();
      assert.equal(got[0], other);
    },

    async 'persistentOperations.psend, persistentOperations.precv, PartitionedSend, PartitionedReceive, partitionedSend.start, partitionedSend.ready, partitionedReceive.start, partitionedReceive.arrivals'() {
      const numbers = new Float64Array(4);
      if (rank === 0) {
        using send: PartitionedSend = world.persistent.psend(numbers, 4, 1, 0);
        const round = send.start();
        for (const at of [2, 0, 3, 1]) {
          numbers[at] = at * at; // Each leaves as soon as it is there.
          send.ready(at);
        }
        await round;
      } else {
        using receive: PartitionedReceive = world.persistent.precv(numbers, 4, 0, 0);
        const round = receive.start();
        const come: number[] = [];
        for await (const at of receive.arrivals()) come.push(numbers[at]);
        await round;
        assert.deepEqual(come.sort(), [0, 1, 4, 9]);
      }
    },

    'partitionedSend.readyRange, partitionedSend.readyList, partitionedReceive.arrived'() {
      using send = world.persistent.psend(Uint8Array.of(1, 2, 3, 4), 4, other, 0);
      using receive = world.persistent.precv(new Uint8Array(4), 2, other, 0);
      const rounds = [send.start(), receive.start()];
      send.readyRange(0, 1); // Two of the sender's, one of the receiver's.
      while (!receive.arrived(0));
      send.readyList([3, 2]);
      for (const round of rounds) round.wait();
      assert.equal(receive.arrived(1), true);
    },

    async 'partitionedSend.run, partitionedReceive.run'() {
      using send = world.persistent.psend(Uint8Array.of(7, rank), 2, other, 0);
      const got = new Uint8Array(2);
      using receive = world.persistent.precv(got, 1, other, 0);
      const sent = send.run();
      send.readyRange(0, 1);
      await Promise.all([sent, receive.run()]);
      assert.deepEqual([...got], [7, other]);
    },

    async 'PersistentCollectives, persistentCollectives.bcast, persistentCollectives.barrier'() {
      const make: PersistentCollectives = world.persistent;
      const number = new Int32Array(1);
      using bcast = make.bcast(number, 0);
      using barrier = make.barrier();
      for (let round = 0; round < 3; round++) {
        if (rank === 0) number[0] = round;
        await bcast.run();
        assert.equal(number[0], round);
        await barrier.run();
      }
    },

    async 'persistentCollectives.gather, persistentCollectives.gatherv'() {
      using gather = world.persistent.gather(Int32Array.of(rank), null, 1);
      assert.deepEqual(await gather.run(), rank === 1 ? Int32Array.of(0, 1) : null);
      // One number of rank 0, two of rank 1.
      const blocks = { data: new Int32Array(3), counts: [1, 2] };
      using gatherv = world.persistent.gatherv(new Int32Array(rank + 1).fill(rank), blocks, 0);
      await gatherv.run();
      if (rank === 0) assert.deepEqual([...blocks.data], [0, 1, 1]);
    },

    async 'persistentCollectives.scatter, persistentCollectives.scatterv'() {
      const all = rank === 0 ? Int32Array.of(5, 6) : null;
      using scatter = world.persistent.scatter(all, new Int32Array(1), 0);
      assert.deepEqual(await scatter.run(), Int32Array.of(5 + rank));
      const blocks = rank === 0 ? [Int32Array.of(1), Int32Array.of(2, 3)] : null;
      const mine = new Int32Array(rank + 1);
      using scatterv = world.persistent.scatterv(blocks, mine, 0);
      await scatterv.run();
      assert.deepEqual([...mine], rank === 0 ? [1] : [2, 3]);
    },

    async 'persistentCollectives.allgather, persistentCollectives.allgatherv'() {
      using allgather = world.persistent.allgather(Int32Array.of(rank));
      assert.deepEqual(await allgather.run(), Int32Array.of(0, 1));
      const blocks = [new Int32Array(1), new Int32Array(2)];
      using allgatherv = world.persistent.allgatherv(new Int32Array(rank + 1).fill(rank), blocks);
      await allgatherv.run();
      assert.deepEqual(blocks, [Int32Array.of(0), Int32Array.of(1, 1)]);
    },

    async 'persistentCollectives.alltoall, persistentCollectives.alltoallv'() {
      using alltoall = world.persistent.alltoall(Int32Array.of(10 * rank, 10 * rank + 1));
      assert.deepEqual(await alltoall.run(), Int32Array.of(rank, 10 + rank));
      // Rank 0 gets bytes, rank 1 numbers.
      const got = [0, 1].map(() => (rank === 0 ? new Uint8Array(1) : new Float64Array(1)));
      using alltoallv = world.persistent.alltoallv([Uint8Array.of(1), Float64Array.of(2)], got);
      await alltoallv.run();
      assert.deepEqual(
        got.map(([one]) => one),
        rank === 0 ? [1, 1] : [2, 2],
      );
    },

    async 'PersistentReductions, persistentReductions.allreduce, persistentReductions.reduce'() {
      const make: PersistentReductions = world.persistent;
      const weights = new Float64Array(2);
      using sum = make.allreduce(weights, SUM); // In place.
      for (let step = 1; step <= 3; step++) {
        weights.fill(step);
        await sum.run();
        assert.deepEqual([...weights], [2 * step, 2 * step]);
      }
      using atOne = make.reduce(Float64Array.of(rank), null, SUM, 1);
      assert.deepEqual(await atOne.run(), rank === 1 ? Float64Array.of(1) : null);
    },

    async 'persistentReductions.reduceScatterBlock, persistentReductions.reduceScatter'() {
      const given = Int32Array.of(1, 2, 3, 4);
      using blocks = world.persistent.reduceScatterBlock(given, null, SUM);
      assert.deepEqual(await blocks.run(), rank === 0 ? Int32Array.of(2, 4) : Int32Array.of(6, 8));
      using uneven = world.persistent.reduceScatter(given, null, [1, 3], SUM);
      assert.deepEqual(await uneven.run(), rank === 0 ? Int32Array.of(2) : Int32Array.of(4, 6, 8));
    },

    async 'persistentReductions.scan, persistentReductions.exscan'() {
      using scan = world.persistent.scan(Int32Array.of(5), null, SUM);
      assert.deepEqual(await scan.run(), Int32Array.of(5 * (rank + 1)));
      using exscan = world.persistent.exscan(Int32Array.of(5), new Int32Array(1), SUM);
      assert.deepEqual(await exscan.run(), Int32Array.of(5 * rank));
    },

    async 'PersistentNeighbors, persistentNeighbors.allgather, persistentNeighbors.alltoall'() {
      using ring = (await world.cart([2], { periodic: true }))!;
      const make: PersistentNeighbors = ring.persistentNeighbor;
      const beside = new Int32Array(2); // Of the one below and of the one above, here the same.
      using allgather = make.allgather(Int32Array.of(rank), beside);
      await allgather.run();
      assert.deepEqual([...beside], [other, other]);
      using alltoall = make.alltoall(Int32Array.of(rank, rank + 10), beside);
      await alltoall.run();
      assert.deepEqual([...beside], [other + 10, other]);
    },

    async 'persistentNeighbors.allgatherv, persistentNeighbors.alltoallv'() {
      using row = (await world.cart([2]))!; // Without a ring: one neighbour each.
      const got = row.sources.map((source) => (source < 0 ? null : new Int32Array(1)));
      using allgatherv = row.persistentNeighbor.allgatherv(Int32Array.of(rank), got);
      await allgatherv.run();
      assert.deepEqual(got.find(Boolean), Int32Array.of(other));
      const given = row.destinations.map((to) => (to < 0 ? null : Int32Array.of(100 + rank)));
      using alltoallv = row.persistentNeighbor.alltoallv(given, got);
      await alltoallv.run();
      assert.deepEqual(got.find(Boolean), Int32Array.of(100 + other));
    },
  },
});
