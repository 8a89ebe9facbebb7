/** What the reference shows of ranks with neighbours (MPI 4.1, chapter 8). */
import assert from 'node:assert/strict';
import {
  type Adjacency,
  type CartCommunicator,
  type CartOptions,
  dimsCreate,
  type Edge,
  type GraphCommunicator,
  MPI,
  type NeighborCommunicator,
  type Shift,
  type TopologyOptions,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
const { rank } = world;
const other = 1 - rank;

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    dimsCreate() {
      assert.deepEqual(dimsCreate(12, 2), [4, 3]);
      assert.deepEqual(dimsCreate(12, [0, 2, 0]), [3, 2, 2]);
    },

    async 'communicator.cart, CartCommunicator, CartOptions, cartCommunicator.rankAt, cartCommunicator.coordsOf'() {
      const options: CartOptions = { periodic: [true, false] };
      using grid: CartCommunicator = (await world.cart([2, 1], options))!;
      assert.deepEqual(grid.coordsOf(1), [1, 0]);
      assert.equal(grid.rankAt([3, 0]), 1); // Periodic: it goes on at the other end.
    },

    async 'cartCommunicator.shift, Shift'() {
      using ring = (await world.cart([2], { periodic: true }))!;
      const { source, destination }: Shift = ring.shift(0);
      const got = new Int32Array(1);
      await ring.sendrecv(Int32Array.of(rank), destination, 0, got, source);
      assert.equal(got[0], other);
    },

    async 'cartCommunicator.sub'() {
      using grid = (await world.cart([2, 1]))!;
      using row = await grid.sub([false, true]); // Those with the same first coordinate.
      assert.equal(row.size, 1);
    },

    async 'communicator.distGraphAdjacent, Adjacency, GraphCommunicator, TopologyOptions'() {
      const neighbors: Adjacency = { sources: [other], destinations: [other] };
      const options: TopologyOptions = { reorder: false };
      using graph: GraphCommunicator = await world.distGraphAdjacent(neighbors, options);
      assert.deepEqual([...graph.sources], [other]);
    },

    async 'communicator.distGraph, Edge'() {
      // Rank 0 names all edges.
      const edges: Edge[] = [
        { from: 0, to: 1, weight: 5 },
        { from: 1, to: 0, weight: 2 },
      ];
      using graph = await world.distGraph(rank === 0 ? edges : []);
      assert.deepEqual([...graph.destinations], [other]);
    },

    async 'NeighborCommunicator, neighborCommunicator.neighborAllgather, neighborCommunicator.neighborAlltoall'() {
      using ring: NeighborCommunicator = (await world.cart([2], { periodic: true }))!;
      const beside = new Int32Array(2); // Of the one below and of the one above, here the same.
      await ring.neighborAllgather(Int32Array.of(rank), beside);
      assert.deepEqual([...beside], [other, other]);
      await ring.neighborAlltoall(Int32Array.of(rank, rank + 10), beside);
      assert.deepEqual([...beside], [other + 10, other]);
    },

    async 'neighborCommunicator.neighborAllgatherv, neighborCommunicator.neighborAlltoallv'() {
      using row = (await world.cart([2]))!; // Without a ring: one neighbour each.
      const got = row.sources.map((source) => (source < 0 ? null : new Int32Array(1)));
      await row.neighborAllgatherv(Int32Array.of(rank), got);
      assert.deepEqual(got.find(Boolean), Int32Array.of(other));
      const given = row.destinations.map((to) => (to < 0 ? null : Int32Array.of(100 + rank)));
      await row.neighborAlltoallv(given, got);
      assert.deepEqual(got.find(Boolean), Int32Array.of(100 + other));
    },
  },
});
