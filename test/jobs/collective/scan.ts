/** scan, exscan: what the ranks up to this one have given, combined in their order. */
import { AVG, IN_PLACE, Op, SUM } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, throws } from '../lib.ts';
import {
  averaged,
  CASES,
  F64,
  failsAtAll,
  I32,
  LENGTHS,
  operand,
  reducedTo,
  same,
  withEach,
} from '../reduced.ts';
import { rank, size, world } from '../ring.ts';

const ALGORITHMS = ['everybody', 'chain'];

export default defineJob({
  cases: {
    async 'every operation on every type'() {
      for (const { name, format, op, plain } of CASES) {
        const mine = operand(format, rank, 20);
        same(await world.scan(mine, null, op), reducedTo(format, plain, 20, rank + 1), name);
        const before = world.exscanSync(mine, null, op);
        if (rank > 0) same(before, reducedTo(format, plain, 20, rank), `exscan: ${name}`);
        same(mine, operand(format, rank, 20), `${name}: what was given`);
      }
    },

    async 'of any length by any algorithm, in place too'() {
      for (const length of LENGTHS)
        for (const format of [F64, I32]) {
          const upTo = reducedTo(format, 'SUM', length, rank + 1);
          const before = rank === 0 ? null : reducedTo(format, 'SUM', length, rank);
          await withEach('SCAN', ALGORITHMS, async (name) => {
            const what = `${length} of ${format.name} by ${name}`;
            const mine = operand(format, rank, length) as Float64Array;
            same(world.scanSync(mine, null, SUM), upTo, what);
            same(await world.exscan(mine, null, SUM), before ?? format.make(length), what);
            const placed = mine.slice();
            same(world.scanSync(IN_PLACE, placed, SUM), upTo, `${what}, in place`);
            same(
              await world.exscan(mine, mine, SUM),
              before ?? operand(format, rank, length),
              `${what}, in place`,
            );
          });
        }
    },

    async 'of numbers and bigints; the average is of the ranks so far'() {
      assert.equal(world.scanSync(rank, SUM), (rank * (rank + 1)) / 2);
      assert.equal(await world.scan(2n, SUM), 2n * BigInt(rank + 1));
      assert.equal(await world.exscan(1, SUM), rank === 0 ? undefined : rank);
      assert.equal(world.exscanSync(1n, SUM), rank === 0 ? undefined : BigInt(rank));
      for (const length of [2, 3000]) {
        const mine = operand(F64, rank, length) as Float64Array;
        const upTo = averaged(reducedTo(F64, 'SUM', length, rank + 1), rank + 1);
        same(world.scanSync(mine, null, AVG), upTo, 'AVG');
        if (rank > 0) {
          const before = averaged(reducedTo(F64, 'SUM', length, rank), rank);
          same(world.exscanSync(mine, null, AVG), before, 'AVG before');
        } else world.exscanSync(mine, null, AVG);
      }
    },

    async "a program's operation goes by ranks"() {
      const whole = Op.of<Float64Array>((x, y) => {
        for (let i = 0; i < y.length; i++) y[i] += x[i] * 10;
      });
      const digits = Array.from({ length: rank + 1 }, (_, one) => one).reduce((x, y) => x * 10 + y);
      await withEach('SCAN', ALGORITHMS, async () => {
        const result = world.scanSync(new Float64Array(3000).fill(rank), null, whole);
        assert.equal(result[2999], digits);
      });
    },

    async 'an operation that throws at one rank is an error at all'() {
      await failsAtAll('SCAN', ALGORITHMS, (data, op) => world.scan(data, null, op));
      await failsAtAll('SCAN', ALGORITHMS, (data, op) => world.exscan(data, null, op));
    },

    async persistent() {
      const data = Int32Array.of(0);
      using upTo = world.persistent.scan(data, null, SUM);
      using before = world.persistent.exscan(data, null, SUM);
      for (let round = 0; round < 3; round++) {
        data[0] = round;
        assert.equal(upTo.runSync()[0], round * (rank + 1));
        assert.equal((await before.run())[0], round * rank);
      }
    },

    'bad input is refused before anything is sent'() {
      const untyped = world as unknown as { scanSync(...args: unknown[]): unknown };
      const data = new Float64Array(4);
      throws('ERR_OP', () => untyped.scanSync(data, null, null));
      throws('ERR_BUFFER', () => untyped.scanSync(IN_PLACE, null, SUM));
      throws('ERR_COUNT', () => untyped.scanSync(data, new Float64Array(5), SUM));
      throws('ERR_BUFFER', () => untyped.scanSync(data.subarray(1), data.subarray(0, 3), SUM));
      assert.equal(world.allreduceSync(1, SUM), size);
    },
  },
});
