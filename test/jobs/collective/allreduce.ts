/** allreduce: all have what all have given, combined in the order of the ranks, in every bit. */
import { AVG, type Communicator, MAX, MPI, Op, PROD, SUM } from '../../../runtime/index.ts';
import { exactSum } from '../../tools/exact-sum.ts';
import { defineJob } from '../job.ts';
import { assert, rejects, throws } from '../lib.ts';
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

const ALGORITHMS = ['exchange', 'everybody', 'recursive-doubling', 'slices', 'chain'];
const concat = Op.of<Float64Array>(
  (incoming, inout) => {
    for (let i = 0; i < inout.length; i++) inout[i] += incoming[i] * 10;
  },
  { name: 'concat' },
);

export default defineJob({
  cases: {
    async 'every operation on every type has the bits of the fold by ranks'() {
      for (const { name, format, op, plain } of CASES) {
        const wanted = reducedTo(format, plain, 20);
        const mine = operand(format, rank, 20);
        same(world.allreduceSync(mine, null, op), wanted, name);
        same(mine, operand(format, rank, 20), `${name}: what was given`);
        same(await world.allreduce(mine, op), wanted, `${name}, in place`);
      }
    },

    async 'of any length by any algorithm'() {
      for (const length of LENGTHS)
        for (const format of [F64, I32]) {
          const wanted = reducedTo(format, 'SUM', length);
          await withEach('ALLREDUCE', ALGORITHMS, async (name) => {
            const what = `${length} of ${format.name} by ${name}`;
            const mine = operand(format, rank, length) as Float64Array;
            same(world.allreduceSync(mine, null, SUM), wanted, what);
            const result = format.make(length) as Float64Array;
            assert.equal(await world.allreduce(mine, result, SUM), result);
            same(result, wanted, what);
            world.allreduceSync(mine, SUM);
            same(mine, wanted, `${what}, in place`);
          });
        }
    },

    async 'blocking and awaited, started in order and ended out of it'() {
      const lengths = [1, 5000, 3, 700];
      const requests = lengths.map((length) =>
        world.allreduce(operand(F64, rank, length) as Float64Array, null, SUM),
      );
      const late = world.allreduceSync(rank, MAX);
      for (const i of [2, 0, 3, 1])
        same(await requests[i], reducedTo(F64, 'SUM', lengths[i]), `${lengths[i]}`);
      assert.equal(late, size - 1);
      const half = rank % 2 === 0 ? world.allreduceSync(1, SUM) : await world.allreduce(1, SUM);
      assert.equal(half, size);
    },

    async 'of a number, and of a bigint'() {
      assert.equal(world.allreduceSync(rank + 0.5, SUM), (size * size) / 2);
      assert.equal(await world.allreduce(rank, MAX), size - 1);
      assert.equal(world.allreduceSync(2n, PROD), 2n ** BigInt(size));
      assert.equal(
        await world.allreduce(2n ** 63n - 1n, SUM),
        BigInt.asIntN(64, BigInt(size) * (2n ** 63n - 1n)),
      );
      assert.equal(world.allreduceSync(rank, AVG), (size - 1) / 2);
      throws('ERR_ARG', () => world.allreduceSync(2n ** 63n, SUM));
    },

    'AVG divides once'() {
      for (const length of [3, 4097]) {
        const mine = operand(F64, rank, length) as Float64Array;
        const wanted = averaged(reducedTo(F64, 'SUM', length), size);
        same(world.allreduceSync(mine, null, AVG), wanted, `${length}`);
      }
    },

    async "a program's operations: in the order of the ranks, whole arrays whole"() {
      for (const length of [1, 3, 3000]) {
        const digits = Array.from({ length: size }, (_, one) => one).reduce(
          (sum, one) => sum * 10 + one,
        );
        const wanted = new Float64Array(length).fill(digits);
        const mine = new Float64Array(length).fill(rank);
        same(world.allreduceSync(mine, null, concat), wanted, 'Op.of');
        const each = Op.each((x, y) => x * 10 + y);
        same(await world.allreduce(mine, null, each), wanted, 'Op.each');
        const lengths = new Set<number>();
        const seen = Op.of<Float64Array>((x, y) => {
          lengths.add(x.length).add(y.length);
        });
        world.allreduceSync(mine, null, seen);
        assert.deepEqual(
          [...lengths].filter((one) => one !== length),
          [],
        );
        same(mine, new Float64Array(length).fill(rank), 'what was given');
      }
    },

    'an operation that throws at one rank is an error at all': () =>
      failsAtAll('ALLREDUCE', ALGORITHMS, (data, op) => world.allreduce(data, op)),

    async 'an operation that throws is named by its rank in the communicator'() {
      using backwards = (await world.split(0, size - rank)) as Communicator;
      const last = Op.each(
        (x: number, y: number) => {
          if (backwards.rank === size - 1) throw new RangeError('no such number');
          return x + y;
        },
        { name: 'fails' },
      );
      await withEach('ALLREDUCE', ALGORITHMS, async (name) => {
        const error = await backwards.allreduce(new Float64Array(4 * size), last).then(
          () => null,
          (failure) => failure,
        );
        const peer = backwards.rank === size - 1 ? undefined : size - 1;
        if (size > 1) assert.deepEqual([error?.code, error?.peer], ['ERR_OP', peer], name);
      });
    },

    async "reproducible: 'any size' has the same bits whoever gives what, and with any number of ranks"() {
      const pool = Array.from({ length: 8 }, (_, one) => operand(F64, one, 10)).map((one) =>
        (one as Float64Array).map((x) => (Number.isFinite(x) && x !== 0 ? x : 0.1)),
      );
      pool[3][0] = 1e300;
      pool[4][0] = -1e300;
      pool[5][1] = 1e308;
      pool[6][1] = 1.5e308;
      pool[7][1] = -1.7e308;
      for (const ranks of new Set([1, Math.ceil(size / 2), size])) {
        using part = world.splitSync(rank < ranks ? 0 : 1);
        if (rank >= ranks) continue;
        const wanted = Float64Array.from(pool[0], (_, i) =>
          exactSum(pool.slice(0, ranks).map((one) => one[i])),
        );
        for (let turn = 0; turn < ranks; turn++) {
          // As many ranks as there are give what is theirs in this turn; what is left over counts as nothing.
          const mine = pool[(part.rank + turn) % ranks].slice();
          same(
            part.allreduceSync(mine, null, SUM, { reproducible: 'any size' }),
            wanted,
            `${ranks} ranks`,
          );
          const longer = new Float64Array(4000);
          longer.set(mine);
          same(
            (await part.allreduce(longer, SUM, { reproducible: 'any size' })).subarray(0, 10),
            wanted,
            'long',
          );
        }
      }
      assert.equal(
        world.allreduceSync(rank % 2 ? -1e100 : 1e100, SUM, { reproducible: 'any size' }),
        size % 2 ? 1e100 : 0,
      );
      throws('ERR_OP', () =>
        world.allreduceSync(1, MAX as Op<Float64Array>, { reproducible: 'any size' }),
      );
      throws('ERR_ARG', () =>
        world.allreduceSync(1, SUM, { reproducible: 'always' as 'any size' }),
      );
    },

    async 'persistent, whatever lies in the array when a round starts'() {
      const data = new Float64Array(300);
      const result = new Float64Array(300);
      using placed = world.persistent.allreduce(data, SUM);
      using apart = world.persistent.allreduce(data, result, MAX);
      for (let round = 0; round < 3; round++) {
        data.fill(rank + round);
        assert.equal(await apart.run(), result);
        assert(result.every((x) => x === size - 1 + round));
        assert.equal(placed.runSync(), data);
        assert(data.every((x) => x === (size * (size - 1)) / 2 + size * round));
      }
      const number = () => world.persistent.allreduce(1 as unknown as Float64Array, SUM);
      throws('ERR_BUFFER', number);
    },

    async 'bad input is refused before anything is sent'() {
      const data = new Float64Array(4);
      const untyped = world as unknown as {
        allreduceSync(...args: unknown[]): unknown;
        allreduce(...args: unknown[]): PromiseLike<unknown>;
      };
      throws('ERR_OP', () => untyped.allreduceSync(data, 'sum'));
      throws('ERR_OP', () => untyped.allreduceSync(data));
      throws('ERR_OP', () => untyped.allreduceSync(new Int32Array(2), AVG));
      throws('ERR_COUNT', () => untyped.allreduceSync(data, new Float64Array(3), SUM));
      throws('ERR_BUFFER', () => untyped.allreduceSync(data, new Float32Array(4), SUM));
      throws('ERR_BUFFER', () =>
        untyped.allreduceSync(data.subarray(0, 3), data.subarray(1, 4), SUM),
      );
      throws('ERR_BUFFER', () => untyped.allreduceSync([1, 2], SUM));
      throws('ERR_BUFFER', () => untyped.allreduceSync(data.buffer, SUM));
      await rejects('ERR_OP', untyped.allreduce(data, null, {}));
      assert.equal(world.allreduceSync(1, SUM), size);
    },

    'from memory that all share'() {
      const memory = new Float64Array(MPI.allocate(8 * 5000));
      memory.set(operand(F64, rank, 5000) as Float64Array);
      same(world.allreduceSync(memory, SUM), reducedTo(F64, 'SUM', 5000), 'shared');
    },
  },
});
