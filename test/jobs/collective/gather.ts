/** gather, gatherv: the root has a block of each rank, in the order of the ranks. */
import { type Blocks, IN_PLACE } from '../../../runtime/index.ts';
import { GATHER } from '../../../runtime/mpi/collective/gather.ts';
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
const COUNTS = [0, 1, 128, 129, 20_000];
const lengthOf = (one: number) => (one * 3) % 5;

export default defineJob({
  cases: {
    async 'to every root, every type, by each algorithm'() {
      await byEachAlgorithm(GATHER, async (name) => {
        for (let root = 0; root < size; root++) {
          const make = MAKERS[root % MAKERS.length];
          const mine = elements(9, rank, make);
          const got = await inEitherHabit(
            () => world.gatherSync(mine, null, root),
            () => world.gather(mine, null, root),
          );
          const all = joined(
            ranks.map((one) => elements(9, one, make)),
            make,
          );
          if (rank === root) checkEqual(got, all, `${name}, root ${root}`);
          else assert.equal(got, null);
        }
      });
    },
    async 'all lengths, into memory that is given, and in place'() {
      await byEachAlgorithm(GATHER, async (name) => {
        for (const count of COUNTS) {
          const root = count % size;
          const all = joined(ranks.map((one) => elements(count, one)));
          const into = rank === root ? new Float64Array(count * size) : null;
          const got = await world.gather(elements(count, rank), into, root);
          assert.equal(got, into);
          if (into !== null) checkEqual(into, all, `${name}, ${count}`);
          const place = new Float64Array(count * size);
          place.set(elements(count, rank), count * root);
          if (rank === root) world.gatherSync(IN_PLACE, place, root);
          else world.gatherSync(elements(count, rank), null, root);
          if (rank === root) checkEqual(place, all, `${name}, ${count} in place`);
        }
      });
    },
    async 'blocks of any length'() {
      for (let root = 0; root < size; root++) {
        const mine = elements(lengthOf(rank), rank);
        const blocks = ranks.map((one) => elements(lengthOf(one), one));
        const counts = ranks.map(lengthOf);
        const data = new Float64Array(size * 6);
        const displs = ranks.map((one) => 6 * (size - 1 - one));
        const into = rank === root ? { data, counts, displs } : null;
        const got: Blocks<Float64Array> | null = await inEitherHabit(
          () => world.gathervSync(mine, into, root),
          () => world.gatherv(mine, into, root),
        );
        assert.equal(got, into);
        if (rank === root)
          for (const one of ranks)
            checkEqual(data.subarray(displs[one], displs[one] + counts[one]), blocks[one], 'block');
        // Views, and elements that lie apart.
        const table = new Float64Array(4 * size);
        const columns = ranks.map((one) => ({
          data: table,
          shape: [4],
          stride: [size],
          offset: one,
        }));
        const column = { data: elements(8, rank), shape: [4], stride: [2], offset: 0 };
        await world.gatherv(column, rank === root ? columns : null, root);
        if (rank === root)
          for (const one of ranks)
            for (let i = 0; i < 4; i++)
              assert.equal(table[i * size + one], elements(8, one)[2 * i], `${one} ${i}`);
        // In place at the root.
        const all = joined(blocks);
        const before = counts.slice(0, root).reduce((sum, count) => sum + count, 0);
        const place = new Float64Array(all.length);
        if (rank === root) place.set(blocks[root], before);
        await (rank === root
          ? world.gatherv(IN_PLACE, { data: place, counts }, root)
          : world.gatherv(mine, null, root));
        if (rank === root) checkEqual(place, all, 'in place');
      }
    },
    'bad arguments are told before anything is sent'() {
      const one = new Int32Array(1);
      throws('ERR_RANK', () => world.gatherSync(one, null, size));
      throws('ERR_BUFFER', () => world.gatherSync('x' as never, null, rank));
      throws('ERR_BUFFER', () => world.gatherSync(new DataView(one.buffer) as never, null, rank));
      throws('ERR_COUNT', () => world.gatherSync(one, new Int32Array(size + 1), rank));
      throws('ERR_BUFFER', () => world.gatherSync(one as never, new Float32Array(size), rank));
      if (size > 1) {
        const all = new Int32Array(size);
        const other = (rank + 1) % size;
        throws('ERR_BUFFER', () => world.gatherSync(all.subarray(other, other + 1), all, rank));
        throws('ERR_BUFFER', () => world.gatherSync(IN_PLACE, null, other));
        throws('ERR_COUNT', () => world.gatherSync(IN_PLACE, new Int32Array(size + 1), rank));
      }
      throws('ERR_ARG', () => world.gathervSync(one, null, rank));
      throws('ERR_COUNT', () => world.gathervSync(one, new Array(size + 1).fill(one), rank));
      const counts = ranks.map(() => 1);
      const data = new Int32Array(size - 1);
      throws('ERR_COUNT', () => world.gathervSync(one, { data, counts }, rank));
      throws('ERR_COUNT', () =>
        world.gathervSync(one, { data: new Int32Array(size), counts: counts.map(() => -1) }, rank),
      );
      world.barrierSync();
    },
  },
});
