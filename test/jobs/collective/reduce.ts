/** reduce: the root has what all have given, combined in the order of the ranks, in every bit. */
import { AVG, IN_PLACE, MINLOC, Op, REPLACE, SUM } from '../../../runtime/index.ts';
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

const ALGORITHMS = ['linear', 'slices', 'chain'];

export default defineJob({
  cases: {
    async 'to every root, every operation on every type'() {
      for (const [i, { name, format, op, plain }] of CASES.entries()) {
        const root = i % size;
        const mine = operand(format, rank, 20);
        const result = world.reduceSync(mine, null, op, root);
        if (rank === root) same(result, reducedTo(format, plain, 20), name);
        else assert.equal(result, null);
      }
    },

    async 'of any length by any algorithm, in place too'() {
      for (const [i, length] of LENGTHS.entries())
        for (const format of [F64, I32]) {
          const wanted = reducedTo(format, 'SUM', length);
          const root = i % size;
          await withEach('REDUCE', ALGORITHMS, async (name) => {
            const what = `${length} of ${format.name} by ${name}`;
            const mine = operand(format, rank, length) as Float64Array;
            const room = rank === root ? (format.make(length) as Float64Array) : null;
            assert.equal(await world.reduce(mine, room, SUM, root), room);
            if (room !== null) same(room, wanted, what);
            same(mine, operand(format, rank, length), `${what}: what was given`);
            if (rank === root) same(world.reduceSync(IN_PLACE, mine, SUM, root), wanted, what);
            else world.reduceSync(mine, null, SUM, root);
          });
        }
    },

    async 'of a number, of a bigint, and their average'() {
      const last = size - 1;
      assert.equal(await world.reduce(rank, SUM), rank === 0 ? (size * last) / 2 : null);
      assert.equal(world.reduceSync(1n, SUM, last), rank === last ? BigInt(size) : null);
      const average = world.reduceSync(operand(F64, rank, 9) as Float64Array, null, AVG, last);
      if (average !== null) same(average, averaged(reducedTo(F64, 'SUM', 9), size), 'AVG');
    },

    async "a program's operation goes by ranks"() {
      const digits = Array.from({ length: size }, (_, one) => one).reduce((x, y) => x * 10 + y);
      const each = Op.each((x, y) => x * 10 + y);
      await withEach('REDUCE', ALGORITHMS, async () => {
        const result = world.reduceSync(new Float64Array(3000).fill(rank), null, each, size - 1);
        assert.equal(result?.[2999] ?? digits, digits);
      });
    },

    async 'an operation that throws at one rank is an error at all'() {
      for (const root of [0, size - 1])
        await failsAtAll('REDUCE', ALGORITHMS, (data, op) => world.reduce(data, null, op, root));
    },

    persistent() {
      const data = Int32Array.of(0, 0);
      using sum = world.persistent.reduce(data, null, SUM, size - 1);
      for (let round = 0; round < 3; round++) {
        data.fill(rank + round);
        const result = sum.runSync();
        assert.equal(result === null, rank < size - 1);
        if (result !== null) assert.equal(result[1], (size * (size - 1)) / 2 + size * round);
      }
    },

    'bad input is refused before anything is sent'() {
      const untyped = world as unknown as { reduceSync(...args: unknown[]): unknown };
      const data = new Float64Array(4);
      throws('ERR_RANK', () => untyped.reduceSync(data, data, SUM, size));
      throws('ERR_OP', () => untyped.reduceSync(data, null, REPLACE));
      throws('ERR_OP', () => untyped.reduceSync(new Float32Array(2), null, MINLOC));
      throws('ERR_COUNT', () => untyped.reduceSync(new Float64Array(3), null, MINLOC));
      throws('ERR_COUNT', () => untyped.reduceSync(data, new Float64Array(3), SUM, rank));
      throws('ERR_BUFFER', () => untyped.reduceSync(IN_PLACE, null, SUM, rank));
      if (size > 1)
        throws('ERR_BUFFER', () => untyped.reduceSync(IN_PLACE, data, SUM, (rank + 1) % size));
      assert.equal(world.allreduceSync(1, SUM), size);
    },
  },
});
