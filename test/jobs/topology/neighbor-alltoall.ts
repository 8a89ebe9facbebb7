/** neighborAlltoall, neighborAlltoallv: each neighbour gets a block of its own. */
import { Layout, type Strided } from '../../../runtime/index.ts';
import { checkEqual, elements, inEitherHabit, joined, MAKERS } from '../elements.ts';
import { neighborsOf, onEachGrid } from '../grids.ts';
import { defineJob } from '../job.ts';
import { assert, rejects, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

/** What a rank has for the neighbour in a direction: twice the dimension, and 1 for the higher one. */
const seedOf = (from: number, direction: number) => from * 17 + direction * 3;
const lengthOf = (from: number, direction: number) => (from + direction * 2) % 4;
/** A neighbour gets what was sent the other way. */
const opposite = (direction: number) => direction ^ 1;

/** Inner cells a side of a rank's part of a field, which has a border of one cell. */
const INNER = 3;
const SIDE = INNER + 2;

export default defineJob({
  ranks: [1, 2, 3, 5, 8, 9],
  cases: {
    async 'each block to its side, every length'() {
      await onEachGrid(async (cart, shape, what) => {
        const beside = neighborsOf(shape, rank);
        for (const count of [0, 1, 600, 5000]) {
          const send = joined(beside.map((_, i) => elements(count, seedOf(rank, i))));
          const expected = joined(
            beside.map((from, i) =>
              from < 0
                ? new Float64Array(count).fill(-1)
                : elements(count, seedOf(from, opposite(i))),
            ),
          );
          const into = new Float64Array(count * beside.length).fill(-1);
          const got = await inEitherHabit(
            () => cart.neighborAlltoallSync(send, into),
            () => cart.neighborAlltoall(send, into),
          );
          assert.equal(got, into);
          checkEqual(into, expected, `${what}, ${count}`);
        }
      });
    },
    async 'blocks of any length, every type, and none where there is nobody'() {
      await onEachGrid(async (cart, shape, what) => {
        const beside = neighborsOf(shape, rank);
        const makerOf = (from: number, i: number) => MAKERS[(from + i) % MAKERS.length];
        const send = beside.map((to, i) =>
          to < 0 ? null : elements(lengthOf(rank, i), seedOf(rank, i), makerOf(rank, i)),
        );
        const expected = beside.map((from, i) => {
          const its = opposite(i);
          return from < 0
            ? null
            : elements(lengthOf(from, its), seedOf(from, its), makerOf(from, its));
        });
        const into = expected.map((block, i) => {
          if (block === null) return null;
          return new (makerOf(beside[i], opposite(i)))(block.length);
        });
        const got = await inEitherHabit(
          () => cart.neighborAlltoallvSync(send, into),
          () => cart.neighborAlltoallv(send, into),
        );
        assert.equal(got, into);
        for (const [i, block] of expected.entries())
          if (block !== null) checkEqual(into[i], block, `${what}, direction ${i}`);
      });
    },
    async 'a border is exchanged by one call: rows, and columns that lie apart'() {
      for (const periodic of [true, false])
        for (const dims of [
          [1, size],
          [size, 1],
        ]) {
          const cart = (await world.cart(dims, { periodic }))!;
          const field = new Float64Array(SIDE * SIDE).fill(-1);
          /** What stands at a place of the whole field. */
          const valueAt = (row: number, column: number) => row * 1000 + column;
          const [top, left] = cart.coords.map((place) => place * INNER);
          for (let row = 0; row < INNER; row++)
            for (let column = 0; column < INNER; column++)
              field[(row + 1) * SIDE + column + 1] = valueAt(top + row, left + column);
          const line = (offset: number, stride: number): Strided<Float64Array> => ({
            data: field,
            shape: [INNER],
            stride: [stride],
            offset,
          });
          const row = (at: number) => line(at * SIDE + 1, 1);
          const column = (at: number) => line(SIDE + at, SIDE);
          const step = cart.persistentNeighbor.alltoallv(
            [row(1), row(INNER), column(1), column(INNER)],
            [row(0), row(INNER + 1), column(0), column(INNER + 1)],
          );
          for (let round = 0; round < 2; round++) {
            if ((round + rank) % 2 === 0) step.runSync();
            else await step.start();
            const whole = dims.map((one) => one * INNER);
            for (let y = 0; y < SIDE; y++)
              for (let x = 0; x < SIDE; x++) {
                const place = [top + y - 1, left + x - 1];
                const inside = place.map((one, i) => one >= 0 && one < whole[i]);
                const corner = (y % (SIDE - 1)) + (x % (SIDE - 1)) === 0;
                const [r, c] = place.map((one, i) => (one + whole[i]) % whole[i]);
                const isThere = !corner && (periodic || inside.every(Boolean));
                assert.equal(
                  field[y * SIDE + x],
                  isThere ? valueAt(r, c) : -1,
                  `${dims} ${y} ${x}`,
                );
              }
          }
          step[Symbol.dispose]();
          cart.free();
        }
    },
    async 'one array with counts and displacements; layouts'() {
      const cart = (await world.cart([size], { periodic: true }))!;
      const [lower, higher] = cart.sources;
      const data = Int32Array.of(rank * 10, 0, 0, rank * 10 + 1, rank * 10 + 2);
      const into = new Int32Array(6).fill(-1);
      await cart.neighborAlltoallv(
        { data, counts: [1, 2], displs: [0, 3] },
        { data: into, counts: [2, 1], displs: [4, 0] },
      );
      const expected = [higher * 10, -1, -1, -1, lower * 10 + 1, lower * 10 + 2];
      assert.deepEqual([...into], expected);
      const layout = Layout.of(1).vector(2, 1, 2);
      const bytes = [new Uint8Array(4), new Uint8Array(4)];
      cart.neighborAlltoallvSync(
        [Uint8Array.of(rank, 1), Uint8Array.of(rank, 2)],
        bytes.map((data) => ({ data, layout })),
      );
      assert.deepEqual([...bytes[0]], [lower, 0, 2, 0]);
      assert.deepEqual([...bytes[1]], [higher, 0, 1, 0]);
      cart.free();
    },
    async 'persistent, started in another order at each rank'() {
      const cart = (await world.cart([size], { periodic: true }))!;
      const { persistentNeighbor: persistent } = cart;
      const sent = [0, 1].map((i) => elements(2 * 700, rank + i));
      const rooms = sent.map(({ length }) => new Float64Array(length));
      const operations = sent.map((send, i) => persistent.alltoall(send, rooms[i]));
      for (let round = 0; round < 3; round++) {
        const order = (round + rank) % 2 === 0 ? operations : [...operations].reverse();
        await Promise.all(order.map((operation) => operation.start()));
        const [lower, higher] = cart.sources;
        for (const [i, room] of rooms.entries()) {
          const half = (from: number, which: number) =>
            elements(1400, from + i).subarray(700 * which, 700 * which + 700);
          checkEqual(room, joined([half(lower, 1), half(higher, 0)]), `round ${round}, ${i}`);
          room.fill(-1);
        }
      }
      for (const operation of operations) operation[Symbol.dispose]();
      throws('ERR_CLOSED', () => operations[0].runSync());
      cart.free();
    },
    async 'bad arguments are told before anything is sent'() {
      const cart = (await world.cart([size], { periodic: true }))!;
      const two = new Int32Array(2);
      throws('ERR_BUFFER', () => cart.neighborAlltoallSync(null as never, two));
      throws('ERR_BUFFER', () => cart.neighborAlltoallSync(two, [1, 2] as never));
      throws('ERR_BUFFER', () => cart.neighborAlltoallSync(two as never, new Float32Array(2)));
      throws('ERR_COUNT', () => cart.neighborAlltoallSync(new Int32Array(3), two));
      throws('ERR_COUNT', () => cart.neighborAlltoallSync(two, new Int32Array(4)));
      throws('ERR_BUFFER', () => cart.neighborAlltoallSync(two, two));
      const one = two.subarray(0, 1);
      throws('ERR_COUNT', () => cart.neighborAlltoallvSync([one], [one, one]));
      throws('ERR_COUNT', () => cart.neighborAlltoallvSync([one, one], [one]));
      throws('ERR_BUFFER', () => cart.neighborAlltoallvSync([one, one], [one, one]));
      throws('ERR_ARG', () => cart.neighborAlltoallvSync(two as never, [one, one]));
      const counted = { data: two, counts: [1, 2] };
      throws('ERR_COUNT', () => cart.neighborAlltoallvSync(counted, counted));
      await rejects('ERR_COUNT', cart.neighborAlltoall(new Int32Array(3), two));
      throws('ERR_COUNT', () => cart.persistentNeighbor.alltoall(new Int32Array(3), two));
      if (size === 1) {
        const other = new Int32Array(2);
        throws('ERR_COUNT', () => cart.neighborAlltoallvSync([one, null], [other, one]));
        throws('ERR_BUFFER', () =>
          cart.neighborAlltoallvSync([one, one], [other, new Float32Array(1)] as never),
        );
      }
      await world.barrier();
      cart.free();
      throws('ERR_CLOSED', () => cart.neighborAlltoallSync(two, new Int32Array(2)));
    },
  },
});
