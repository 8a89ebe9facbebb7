/** What the reference shows of operations that reduce (MPI 4.1, 6.9). */
import assert from 'node:assert/strict';
import {
  AVG,
  BAND,
  BOR,
  BXOR,
  bf16,
  type Element,
  f16,
  LAND,
  LOR,
  LXOR,
  MAX,
  MAXLOC,
  MIN,
  MINLOC,
  MPI,
  MpiError,
  NO_OP,
  Op,
  type OpOptions,
  PROD,
  REPLACE,
  SUM,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
const { rank } = world;

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    async 'SUM, PROD, AVG, MIN, MAX'() {
      const number = rank === 0 ? 2 : 8;
      assert.equal(await world.allreduce(number, SUM), 10);
      assert.equal(await world.allreduce(number, PROD), 16);
      assert.equal(await world.allreduce(number, AVG), 5);
      assert.equal(await world.allreduce(number, MIN), 2);
      assert.equal(await world.allreduce(number, MAX), 8);
    },

    async 'BAND, BOR, BXOR'() {
      const bits = Uint8Array.of(rank === 0 ? 0b0011 : 0b0101);
      assert.equal((await world.allreduce(bits, null, BAND))[0], 0b0001);
      assert.equal((await world.allreduce(bits, null, BOR))[0], 0b0111);
      assert.equal((await world.allreduce(bits, null, BXOR))[0], 0b0110);
    },

    async 'LAND, LOR, LXOR'() {
      const done = rank === 0 ? 1 : 0;
      assert.equal(await world.allreduce(done, LAND), 0); // Not all.
      assert.equal(await world.allreduce(done, LOR), 1); // Some.
      assert.equal(await world.allreduce(done, LXOR), 1); // An odd number.
    },

    async 'MAXLOC, MINLOC'() {
      // A pair: a value, and who has it.
      const pair = Float64Array.of(rank === 0 ? 3.5 : 1.5, rank);
      assert.deepEqual([...(await world.allreduce(pair, null, MAXLOC))], [3.5, 0]);
      assert.deepEqual([...(await world.allreduce(pair, null, MINLOC))], [1.5, 1]);
    },

    async 'bf16, f16'() {
      const one = Uint16Array.of(0x3f80); // 1 as bfloat16
      assert.deepEqual(await world.allreduce(one, bf16(SUM)), Uint16Array.of(0x4000)); // 2
      const half = Uint16Array.of(0x3c00); // 1 as binary16
      assert.deepEqual(await world.allreduce(half, f16(SUM)), Uint16Array.of(0x4000)); // 2
    },

    'Op, op.reduceLocal'() {
      const op: Op = MAX;
      const inout = Int32Array.of(1, 5, 2);
      op.reduceLocal(Int32Array.of(4, 3, 2), inout);
      assert.deepEqual([...inout], [4, 5, 2]);
      assert.deepEqual([op.name, op.commutative], ['MAX', true]);
    },

    async 'Op.each, OpOptions, Element'() {
      type Number = Element<Float64Array>;
      const options: OpOptions = { commutative: true, name: 'hypotenuse' };
      const hypotenuse = Op.each((one: Number, two: Number) => Math.hypot(one, two), options);
      assert.equal(await world.allreduce(rank === 0 ? 3 : 4, hypotenuse), 5);
    },

    async 'Op.of'() {
      // Pairs (scale, shift) of x => scale * x + shift: one after the other, which is not commutative.
      const after = Op.of<Float64Array>((first, then) => {
        for (let at = 0; at < then.length; at += 2) {
          then[at + 1] += then[at] * first[at + 1];
          then[at] *= first[at];
        }
      });
      const mine = rank === 0 ? Float64Array.of(2, 1) : Float64Array.of(10, 5);
      assert.deepEqual([...(await world.allreduce(mine, null, after))], [20, 15]);
    },

    async 'NO_OP, REPLACE'() {
      const there = Int32Array.of(1);
      NO_OP.reduceLocal(Int32Array.of(2), there);
      assert.equal(there[0], 1);
      REPLACE.reduceLocal(Int32Array.of(2), there);
      assert.equal(there[0], 2);
      await assert.rejects(world.allreduce(1, REPLACE).then(), MpiError); // Of which rank?
    },
  },
});
