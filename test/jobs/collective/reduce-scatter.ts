/** reduceScatter, reduceScatterBlock: each has its block of what all have given, combined by ranks. */
import { AVG, IN_PLACE, Op, SUM } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, throws } from '../lib.ts';
import {
  averaged,
  CASES,
  F64,
  failsAtAll,
  operand,
  reducedTo,
  same,
  withEach,
} from '../reduced.ts';
import { rank, size, world } from '../ring.ts';

const ALGORITHMS = ['slices', 'everybody'];
/** Of pairs, and of none. */
const counts = Array.from({ length: size }, (_, one) => 2 * (one % 3));
const total = counts.reduce((x, y) => x + y);
const at = counts.slice(0, rank).reduce((x, y) => x + y, 0);

export default defineJob({
  cases: {
    async 'every operation on every type, blocks of several lengths'() {
      for (const { name, format, op, plain } of CASES) {
        const all = reducedTo(format, plain, total);
        const wanted = all.subarray(at, at + counts[rank]);
        const mine = operand(format, rank, total);
        same(await world.reduceScatter(mine, null, counts, op), wanted, name);
        const room = format.make(counts[rank]);
        assert.equal(world.reduceScatterSync(mine, room, Int32Array.from(counts), op), room);
        same(room, wanted, name);
        same(mine, operand(format, rank, total), `${name}: what was given`);
      }
    },

    async 'blocks of one length, by any algorithm, in place too'() {
      for (const block of [0, 1, 30, 3000]) {
        const length = block * size;
        const all = reducedTo(F64, 'SUM', length);
        const wanted = all.subarray(rank * block, (rank + 1) * block);
        await withEach('REDUCE_SCATTER', ALGORITHMS, async (name) => {
          const mine = operand(F64, rank, length) as Float64Array;
          same(world.reduceScatterBlockSync(mine, null, SUM), wanted, `${length} by ${name}`);
          const average = await world.reduceScatterBlock(mine, null, AVG);
          same(average, averaged(wanted, size), `${length} by ${name}, AVG`);
          const placed = world.reduceScatterBlockSync(IN_PLACE, mine, SUM);
          same(placed, wanted, `${length} by ${name}, in place`);
          assert.equal(placed.buffer, mine.buffer);
          assert.equal(placed.byteOffset, 0);
        });
      }
    },

    'a program whose operation takes whole arrays gets them whole'() {
      const whole = Op.of<Float64Array>((x, y) => {
        assert.equal(x.length, total);
        for (let i = 0; i < total; i++) y[i] += x[i] * 10;
      });
      const digits = Array.from({ length: size }, (_, one) => one).reduce((x, y) => x * 10 + y);
      const result = world.reduceScatterSync(
        new Float64Array(total).fill(rank),
        null,
        counts,
        whole,
      );
      assert.deepEqual([...result], new Array(counts[rank]).fill(digits));
    },

    async 'an operation that throws at one rank is an error at all'() {
      await failsAtAll('REDUCE_SCATTER', ALGORITHMS, (data, op) =>
        world.reduceScatterBlock(data, null, op),
      );
      await failsAtAll('REDUCE_SCATTER', ALGORITHMS, (data, op) =>
        world.reduceScatter(data, null, new Array(size).fill(data.length / size), op),
      );
    },

    async persistent() {
      const data = new Float64Array(total);
      using blocks = world.persistent.reduceScatter(data, null, counts, SUM);
      using one = world.persistent.reduceScatterBlock(new Int32Array(size).fill(rank), null, SUM);
      for (let round = 0; round < 3; round++) {
        data.fill(round);
        assert.deepEqual([...(await blocks.run())], new Array(counts[rank]).fill(size * round));
        assert.deepEqual([...one.runSync()], [(size * (size - 1)) / 2]);
      }
    },

    'bad input is refused before anything is sent'() {
      const untyped = world as unknown as {
        reduceScatterSync(...args: unknown[]): unknown;
        reduceScatterBlockSync(...args: unknown[]): unknown;
      };
      const data = new Float64Array(total);
      throws('ERR_COUNT', () => untyped.reduceScatterSync(data, null, [...counts, 0], SUM));
      throws('ERR_COUNT', () => untyped.reduceScatterSync(data, null, 3, SUM));
      throws('ERR_COUNT', () =>
        untyped.reduceScatterSync(
          data,
          null,
          counts.map((one) => one - 1),
          SUM,
        ),
      );
      throws('ERR_COUNT', () =>
        untyped.reduceScatterSync(
          data,
          null,
          counts.map((one) => one + 1),
          SUM,
        ),
      );
      throws('ERR_COUNT', () =>
        untyped.reduceScatterSync(data, new Float64Array(counts[rank] + 1), counts, SUM),
      );
      if (size > 1)
        throws('ERR_COUNT', () =>
          untyped.reduceScatterBlockSync(new Float64Array(size + 1), null, SUM),
        );
      assert.equal(world.allreduceSync(1, SUM), size);
    },
  },
});
