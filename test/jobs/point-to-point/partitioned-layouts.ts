/** psend and precv of elements that do not lie side by side: at one end, the other, or both. */
import { type Data, Layout } from '../../../runtime/index.ts';
import { defineJob, RING, SINGLE_COPY } from '../job.ts';
import { assert, throws } from '../lib.ts';
import { next, previous, rank, world } from '../ring.ts';

/** Elements, and partitions at both ends: of a few bytes, of one packet, and offered ones. */
const SHAPES = [
  [12, 4, 3],
  [12_000, 4, 6],
  [60_000, 6, 4],
] as const;
const GAP = -1;
const COLUMNS = 3;

/** Ways in which the elements lie in an array, and where each of them is. */
const LIES: { data: (array: Float64Array) => Data; place: (i: number) => number }[] = [
  { data: (array) => array.subarray(0, array.length / COLUMNS), place: (i) => i },
  {
    data: (data) => ({ data, shape: [data.length / COLUMNS], stride: [COLUMNS], offset: 1 }),
    place: (i) => i * COLUMNS + 1,
  },
  {
    data: (data) => ({
      data,
      layout: Layout.of(Float64Array).vector(data.length / COLUMNS / 2, 2, 2 * COLUMNS),
    }),
    place: (i) => (i >> 1) * 2 * COLUMNS + (i & 1),
  },
];

export default defineJob({
  ranks: RING,
  settings: SINGLE_COPY,
  cases: {
    async 'each kind meets each other one'() {
      for (const [count, theirs, ours] of SHAPES)
        for (const from of LIES)
          for (const to of LIES) {
            const out = new Float64Array(count * COLUMNS).fill(GAP);
            const into = new Float64Array(count * COLUMNS).fill(GAP);
            using send = world.persistent.psend(from.data(out), theirs, next, 3);
            using receive = world.persistent.precv(to.data(into), ours, previous, 3);
            for (let round = 0; round < 2; round++) {
              const received = receive.start();
              const sent = send.start();
              for (let i = 0; i < count; i++) out[from.place(i)] = rank * 1e6 + round + i;
              for (let i = theirs - 1; i >= 0; i--) send.ready(i);
              if (round === 0) received.wait();
              else await received;
              await sent;
              const expected = new Float64Array(into.length).fill(GAP);
              for (let i = 0; i < count; i++) expected[to.place(i)] = previous * 1e6 + round + i;
              assert(Buffer.compare(Buffer.from(into.buffer), Buffer.from(expected.buffer)) === 0);
            }
          }
    },

    'what cannot be received, or divided, is refused'() {
      const data = new Float64Array(12);
      const lying = { data, shape: [4, 3], stride: [1, 0], offset: 0 };
      throws('ERR_BUFFER', () => world.persistent.precv(lying, 4, previous, 5));
      const column = { data, shape: [4], stride: [3], offset: 1 };
      throws('ERR_COUNT', () => world.persistent.psend(column, 5, next, 5));
      throws('ERR_BUFFER', () => world.persistent.psend({ ...column, offset: 9 }, 4, next, 5));
    },
  },
});
