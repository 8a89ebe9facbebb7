/** neighborAllgather, neighborAllgatherv: neighbours get the same block. */
import type { GraphCommunicator, Strided } from '../../../runtime/index.ts';
import { checkEqual, elements, inEitherHabit, joined, MAKERS } from '../elements.ts';
import { neighborsOf, onEachGrid } from '../grids.ts';
import { defineJob } from '../job.ts';
import { assert, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

const lengthOf = (one: number) => (one * 3) % 5;

/** Everybody gives to those of higher ranks. */
function upwards(): Promise<GraphCommunicator> {
  const ranks = Array.from({ length: size }, (_, one) => one);
  const sources = ranks.filter((one) => one < rank);
  const destinations = ranks.filter((one) => one > rank).reverse();
  return world.distGraphAdjacent({ sources, destinations }).then((graph) => graph);
}

export default defineJob({
  cases: {
    async 'from all sides of a grid, every length'() {
      await onEachGrid(async (cart, shape, what) => {
        const beside = neighborsOf(shape, rank);
        for (const count of [0, 1, 600, 5000]) {
          const expected = beside.map((from) =>
            from < 0 ? new Float64Array(count).fill(-1) : elements(count, from),
          );
          const into = new Float64Array(count * beside.length).fill(-1);
          const got = await inEitherHabit(
            () => cart.neighborAllgatherSync(elements(count, rank), into),
            () => cart.neighborAllgather(elements(count, rank), into),
          );
          assert.equal(got, into);
          checkEqual(into, joined(expected), `${what}, ${count}`);
        }
      });
    },
    async 'blocks of any length, every type'() {
      await onEachGrid(async (cart, shape, what) => {
        const beside = neighborsOf(shape, rank);
        for (const make of MAKERS) {
          const mine = elements(lengthOf(rank), rank, make);
          const into = beside.map((from) => (from < 0 ? null : new make(lengthOf(from))));
          await inEitherHabit(
            () => cart.neighborAllgathervSync(mine, into),
            () => cart.neighborAllgatherv(mine, into),
          );
          for (const [i, from] of beside.entries())
            if (from >= 0) checkEqual(into[i], elements(lengthOf(from), from, make), what);
        }
      });
    },
    async 'where some have no sources, and some no destinations'() {
      const graph = await upwards();
      const all = new Float64Array(3 * rank);
      graph.neighborAllgatherSync(elements(3, rank), all);
      const expected = Array.from({ length: rank }, (_, from) => elements(3, from));
      checkEqual(all, joined(expected), 'one array');
      // Every other element, into rooms that lie apart.
      const mine: Strided<Float64Array> = {
        data: elements(6, rank),
        shape: [3],
        stride: [-2],
        offset: 4,
      };
      const rooms = expected.map(() => new Float64Array(5));
      await graph.neighborAllgatherv(
        mine,
        rooms.map((data) => ({ data, shape: [3], stride: [2], offset: 0 })),
      );
      for (const [from, room] of rooms.entries()) {
        const [a, , c, , e] = elements(6, from);
        checkEqual(room, Float64Array.of(e, 0, c, 0, a), `from ${from}`);
      }
      graph.free();
    },
    async 'persistent, round after round'() {
      const graph = await upwards();
      const mine = new Float64Array(40);
      const all = new Float64Array(40 * rank);
      const blocks = { data: new Float64Array(40 * rank), counts: new Array(rank).fill(40) };
      const { persistentNeighbor: persistent } = graph;
      const first = persistent.allgather(mine, all);
      const second = persistent.allgatherv(mine, blocks);
      for (let round = 0; round < 3; round++) {
        mine.set(elements(40, rank + round));
        const expected = Array.from({ length: rank }, (_, from) => elements(40, from + round));
        if ((round + rank) % 2 === 0) first.runSync();
        else await first.run();
        assert.equal(await second.start(), blocks);
        checkEqual(all, joined(expected), `round ${round}`);
        checkEqual(blocks.data, joined(expected), `round ${round}, v`);
      }
      for (const one of [first, second]) one[Symbol.dispose]();
      graph.free();
    },
    async 'bad arguments are told before anything is sent'() {
      const cart = (await world.cart([size], { periodic: true }))!;
      const [one, two] = [new Int32Array(1), new Int32Array(2)];
      throws('ERR_BUFFER', () => cart.neighborAllgatherSync(undefined as never, two));
      throws('ERR_BUFFER', () => cart.neighborAllgatherSync(one, undefined as never));
      throws('ERR_BUFFER', () => cart.neighborAllgatherSync(one as never, new Float32Array(2)));
      throws('ERR_COUNT', () => cart.neighborAllgatherSync(two, two));
      throws('ERR_COUNT', () => cart.neighborAllgatherSync(one, new Int32Array(3)));
      throws('ERR_BUFFER', () => cart.neighborAllgatherSync(two.subarray(1), two));
      throws('ERR_COUNT', () => cart.neighborAllgathervSync(one, [two]));
      throws('ERR_BUFFER', () => cart.neighborAllgathervSync(one, [one, new Int32Array(1)]));
      const dense = { data: two, shape: [2], stride: [0], offset: 0 };
      throws('ERR_BUFFER', () => cart.neighborAllgathervSync(one, [dense, dense]));
      throws('ERR_BUFFER', () => cart.persistentNeighbor.allgather(null as never, two));
      await world.barrier();
      cart.free();
    },
  },
});
