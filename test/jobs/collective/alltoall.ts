/** alltoall, alltoallv: each rank has what each other one has for it. */
import { IN_PLACE, Layout } from '../../../runtime/index.ts';
import { ALLTOALL } from '../../../runtime/mpi/collective/alltoall.ts';
import { ALLTOALLV } from '../../../runtime/mpi/collective/alltoallv.ts';
import {
  byEachAlgorithm,
  checkEqual,
  elements,
  inEitherHabit,
  joined,
  MAKERS,
} from '../elements.ts';
import { defineJob } from '../job.ts';
import { assert, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

const ranks = Array.from({ length: size }, (_, one) => one);
const COUNTS = [0, 1, 16, 17, 4097];
/** What one rank has for another. */
const seedOf = (from: number, to: number) => from * 17 + to;
const lengthOf = (from: number, to: number) => (from * 2 + to * 3) % 4;

export default defineJob({
  cases: {
    async 'every type, by each algorithm'() {
      await byEachAlgorithm(ALLTOALL, async (name) => {
        for (const make of MAKERS) {
          const send = joined(
            ranks.map((to) => elements(3, seedOf(rank, to), make)),
            make,
          );
          const expected = joined(
            ranks.map((from) => elements(3, seedOf(from, rank), make)),
            make,
          );
          const got = await inEitherHabit(
            () => world.alltoallSync(send),
            () => world.alltoall(send),
          );
          checkEqual(got, expected, `${name}, ${make.name}`);
        }
      });
    },
    async 'all lengths, into memory that is given, and in place'() {
      await byEachAlgorithm(ALLTOALL, async (name) => {
        for (const count of COUNTS) {
          const send = joined(ranks.map((to) => elements(count, seedOf(rank, to))));
          const expected = joined(ranks.map((from) => elements(count, seedOf(from, rank))));
          const into = new Float64Array(count * size);
          assert.equal(await world.alltoall(send, into), into);
          checkEqual(into, expected, `${name}, ${count}`);
          into.set(send);
          if (rank % 2 === 0) world.alltoallSync(IN_PLACE, into);
          else await world.alltoall(into, into);
          checkEqual(into, expected, `${name}, ${count} in place`);
        }
      });
    },
    async 'blocks of any length, by each algorithm'() {
      await byEachAlgorithm(ALLTOALLV, async (name) => {
        for (const factor of [1, 500]) {
          const sent = ranks.map((to) => elements(factor * lengthOf(rank, to), seedOf(rank, to)));
          const expected = ranks.map((from) =>
            elements(factor * lengthOf(from, rank), seedOf(from, rank)),
          );
          const counts = expected.map(({ length }) => length);
          const data = new Float64Array(joined(expected).length);
          const send = { data: joined(sent), counts: sent.map(({ length }) => length) };
          await inEitherHabit(
            () => world.alltoallvSync(send, { data, counts }),
            () => world.alltoallv(send, { data, counts }),
          );
          checkEqual(data, joined(expected), name);
          const views = counts.map((count) => new Float64Array(count));
          await world.alltoallv(sent, views);
          checkEqual(joined(views), joined(expected), `${name}, views`);
        }
      });
    },
    async 'blocks of several types and layouts, and none'() {
      await byEachAlgorithm(ALLTOALLV, async (name) => {
        // Of a pair both name the same type.
        const makerOf = (one: number, other: number) => MAKERS[(one + other) % MAKERS.length];
        const send = ranks.map((to) => elements(4, seedOf(rank, to), makerOf(rank, to)));
        const receive = ranks.map((from) => new (makerOf(from, rank))(4));
        await world.alltoallv(send, receive);
        for (const from of ranks)
          checkEqual(receive[from], elements(4, seedOf(from, rank), makerOf(from, rank)), name);
        const layout = Layout.of(1).vector(4, 1, 2);
        const into = ranks.map(() => new Uint8Array(8));
        await world.alltoallv(
          ranks.map((to) => (to === rank ? null : Uint8Array.of(rank, to, 2, 3))),
          into.map((data, from) => (from === rank ? null : { data, layout })),
        );
        for (const from of ranks)
          if (from !== rank) assert.deepEqual([...into[from]], [from, 0, rank, 0, 2, 0, 3, 0]);
      });
    },
    async 'in place: each pair swaps its blocks'() {
      const count = (one: number) => 1 + ((one + rank) % 3);
      const blocks = ranks.map((to) => elements(count(to), seedOf(rank, to)));
      await world.alltoallv(IN_PLACE, blocks);
      for (const from of ranks)
        checkEqual(blocks[from], elements(count(from), seedOf(from, rank)), `from ${from}`);
    },
    'bad arguments are told before anything is sent'() {
      const all = new Int32Array(2 * size);
      throws('ERR_BUFFER', () => world.alltoallSync(null as never));
      throws('ERR_BUFFER', () => world.alltoallSync(IN_PLACE));
      throws('ERR_COUNT', () => world.alltoallSync(all, new Int32Array(size)));
      throws('ERR_BUFFER', () => world.alltoallSync(all as never, new Float32Array(2 * size)));
      if (size > 1) {
        throws('ERR_COUNT', () => world.alltoallSync(new Int32Array(size + 1)));
        const over = all.subarray(size - 1, 2 * size - 1);
        throws('ERR_BUFFER', () => world.alltoallSync(all.subarray(0, size), over));
      }
      const views = ranks.map((one) => all.subarray(one, one + 1));
      throws('ERR_ARG', () => world.alltoallvSync(views, undefined as never));
      throws('ERR_COUNT', () => world.alltoallvSync(views, [...views, all]));
      throws('ERR_BUFFER', () => world.alltoallvSync(views, [...views]));
      throws('ERR_BUFFER', () => world.alltoallvSync(new Array(size).fill('x'), views));
      world.barrierSync();
    },
  },
});
