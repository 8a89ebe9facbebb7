/** The same blocking call on the same arrays, again and again, with other contents; and calls that only look the same. */
import { IN_PLACE, Op, SUM } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, pause, rejects, scaled, throws } from '../lib.ts';
import { refused } from '../refused.ts';
import { rank, size, world } from '../ring.ts';

/** Elements: in a line, the last that fit, the first that do not, in a slot, in two rounds. */
const COUNTS = [1, 14, 15, 128, 300];
/** Of a call: more than lines have slots, and than a rank goes without a look at all else. */
const ROUNDS = scaled(40);

/** What a rank gives in a round: whole numbers, so that any order of a sum has the same bits. */
const given = (round: number, one: number, at: number) => round * 1000 + one * 10 + at;
const summed = (round: number, at: number, ranks = size) =>
  Array.from({ length: ranks }, (_, one) => given(round, one, at)).reduce((a, b) => a + b, 0);

function put(array: Float64Array, round: number, one = rank, start = 0): void {
  for (let at = 0; at < array.length; at++) array[at] = given(round, one, start + at);
}

function expectAll(array: Float64Array, of: (at: number) => number, what: string): void {
  for (let at = 0; at < array.length; at++) assert.equal(array[at], of(at), `${what}, ${at}`);
}

/** @param run makes the call of a round, and looks at its result */
function again(run: (count: number, round: number, root: number) => () => void): void {
  for (const count of COUNTS)
    for (let root = 0; root < size; root++) {
      const call = run(count, 0, root);
      for (let round = 0; round < ROUNDS / size; round++) call();
    }
}

export default defineJob({
  ranks: [1, 2, 3, 5],
  // There it goes by messages, as all others do.
  rdma: [],
  cases: {
    broadcasts() {
      again((count, round, root) => {
        const data = new Float64Array(count);
        return () => {
          if (rank === root) put(data, round);
          else data.fill(-1);
          assert.equal(world.bcastSync(data, root), data);
          const now = round++;
          expectAll(data, (at) => given(now, root, at), `bcast ${count} ${now}`);
        };
      });
    },

    'gathers and scatters'() {
      again((count, round, root) => {
        const mine = new Float64Array(count);
        const all = rank === root ? new Float64Array(count * size) : null;
        return () => {
          put(mine, round);
          world.gatherSync(mine, all, root);
          const now = round++;
          const of = (at: number) => given(now, Math.floor(at / count), at % count);
          if (all !== null) expectAll(all, of, `gather ${count} ${now}`);
          mine.fill(-1);
          world.scatterSync(all, mine, root);
          expectAll(mine, (at) => given(now, rank, at), `scatter ${count} ${now}`);
        };
      });
    },

    'to all from all'() {
      again((count, round) => {
        const mine = new Float64Array(count);
        const all = new Float64Array(count * size);
        const given2 = new Float64Array(count * size);
        return () => {
          const now = round++;
          put(mine, now);
          world.allgatherSync(mine, all);
          const of = (at: number) => given(now, Math.floor(at / count), at % count);
          expectAll(all, of, `allgather ${count} ${now}`);
          put(given2, now);
          world.alltoallSync(given2, all);
          const block = (at: number) =>
            given(now, Math.floor(at / count), rank * count + (at % count));
          expectAll(all, block, `alltoall ${count} ${now}`);
          put(all, now + 1);
          world.alltoallSync(IN_PLACE, all);
          const next = (at: number) =>
            given(now + 1, Math.floor(at / count), rank * count + (at % count));
          expectAll(all, next, `alltoall in place ${count} ${now}`);
          put(all, now);
          world.alltoallSync(all, all);
          expectAll(all, block, `alltoall onto itself ${count} ${now}`);
        };
      });
    },

    'the same in-place exchange alone'() {
      const all = new Float64Array(size);
      for (let round = 0; round < ROUNDS; round++) {
        put(all, round);
        world.alltoallSync(IN_PLACE, all);
        expectAll(all, (at) => given(round, at, rank), `in place ${round}`);
      }
    },

    reductions() {
      again((count, round, root) => {
        const mine = new Float64Array(count);
        const result = new Float64Array(count);
        return () => {
          const now = round++;
          put(mine, now);
          world.allreduceSync(mine, result, SUM);
          expectAll(result, (at) => summed(now, at), `allreduce ${count} ${now}`);
          world.reduceSync(mine, rank === root ? result.fill(-1) : null, SUM, root);
          if (rank === root) expectAll(result, (at) => summed(now, at), `reduce ${count} ${now}`);
          world.scanSync(mine, result, SUM);
          expectAll(result, (at) => summed(now, at, rank + 1), `scan ${count} ${now}`);
          world.exscanSync(mine, result.fill(-1), SUM);
          const before = (at: number) => (rank === 0 ? -1 : summed(now, at, rank));
          expectAll(result, before, `exscan ${count} ${now}`);
        };
      });
    },

    'the same reduction alone, in place and of numbers'() {
      const data = new Float64Array(3);
      for (let round = 0; round < ROUNDS; round++) {
        put(data, round);
        assert.equal(world.allreduceSync(data, SUM), data);
        expectAll(data, (at) => summed(round, at), `in place ${round}`);
      }
      for (let round = 0; round < ROUNDS; round++) {
        assert.equal(world.allreduceSync(1, SUM), size);
        assert.equal(
          world.allreduceSync(round + rank, SUM),
          size * round + (size * (size - 1)) / 2,
        );
      }
    },

    'new memory each time is new each time'() {
      const mine = Float64Array.of(rank);
      const first = world.allgatherSync(mine);
      for (let round = 1; round < 5; round++) {
        mine[0] = rank + round;
        const all = world.allgatherSync(mine);
        assert.notEqual(all, first);
        expectAll(all, (at) => at + round, `new ${round}`);
      }
      expectAll(first, (at) => at, 'the first');
    },

    'the same array with another length by now'() {
      const memory = new ArrayBuffer(64, { maxByteLength: 256 });
      const data = new Float64Array(memory);
      for (const count of [8, 8, 8, 4, 4, 4, 32, 32, 32, 1, 1, 1]) {
        memory.resize(count * 8);
        put(data, count);
        world.allreduceSync(data, SUM);
        assert.equal(data.length, count);
        expectAll(data, (at) => summed(count, at), `${count} elements`);
      }
    },

    async 'an array that has gone'() {
      const data = new Float64Array(2);
      for (let round = 0; round < 4; round++) world.bcastSync(data);
      structuredClone(data, { transfer: [data.buffer] });
      throws('ERR_BUFFER', () => world.bcastSync(data));
      await rejects('ERR_BUFFER', world.bcast(data));
      const other = Float64Array.of(rank + 1);
      expectAll(world.bcastSync(other), () => 1, 'another array');
    },

    'the same array with another root, operation, and communicator'() {
      using other = world.dupSync();
      const data = new Float64Array(1);
      for (let round = 0; round < scaled(100); round++) {
        const root = (round >> 2) % size;
        data[0] = rank * 100 + round;
        const comm = (round >> 3) % 2 ? other : world;
        comm.bcastSync(data, root);
        assert.equal(data[0], root * 100 + round);
        if (round % 5 === 0) comm.allreduceSync(data, SUM);
        if (round % 7 === 0) comm.barrierSync();
      }
    },

    'a root that is far ahead of the others'() {
      const data = new Float64Array(1);
      for (let round = 0; round < scaled(400); round++) {
        if (rank === 0) data[0] = round;
        else if (round % (100 + rank) === 0) for (const end = Date.now() + 2; Date.now() < end; );
        world.bcastSync(data, 0);
        assert.equal(data[0], round);
      }
    },

    async 'between others that were started'() {
      const data = new Float64Array(2);
      for (let round = 0; round < 50; round++) {
        const slow = world.allreduce(Float64Array.of(round), null, SUM);
        put(data, round);
        world.allreduceSync(data, SUM);
        expectAll(data, (at) => summed(round, at), `${round}`);
        if (round % 3 === 0) assert.equal((await slow)[0], round * size);
        else assert.equal(slow.wait()[0], round * size);
      }
    },

    async 'started, awaited and waited for, one and two at a time'() {
      const mine = new Float64Array(3);
      const sum = new Float64Array(3);
      const data = new Float64Array(200);
      for (let round = 0; round < scaled(100); round++) {
        put(mine, round);
        const request = world.allreduce(mine, sum, SUM);
        if (rank === 0) put(data, round);
        const first = world.bcast(data, 0);
        const second = world.bcast(data, 0);
        const barrier = world.barrier();
        if (round % 3 === 0) await request;
        else request.wait();
        expectAll(sum, (at) => summed(round, at), `started ${round}`);
        await second;
        assert.equal(await first, data);
        expectAll(data, (at) => given(round, 0, at), `started bcast ${round}`);
        if (round % 2) world.barrierSync();
        await barrier;
      }
    },

    async 'awaited again and again, while others come late'() {
      const data = new Float64Array(1);
      for (let round = 0; round < 20; round++) {
        if (round % size === rank) await pause(2);
        data[0] = rank + round;
        await world.allreduce(data, SUM);
        assert.equal(data[0], (size * (size - 1)) / 2 + size * round);
      }
    },

    "a function of the program's that throws after a while"() {
      let throwing = false;
      const sum = Op.each<Float64Array>((a, b) => {
        if (throwing) throw new Error('enough');
        return a + b;
      });
      const data = new Float64Array(1);
      for (let round = 0; round < 6; round++) {
        data[0] = rank;
        throwing = size > 1 && round === 4;
        if (throwing) throws('ERR_OP', () => world.allreduceSync(data, sum));
        else assert.equal(world.allreduceSync(data, sum)[0], (size * (size - 1)) / 2);
      }
    },

    async 'what was the same so often, and differs'() {
      if (size === 1) return;
      for (const [mine, others] of [
        [1, 2],
        [14, 15],
      ])
        await refused((comm) => {
          const data = new Float64Array(mine);
          for (let round = 0; round < 10; round++) comm.allreduceSync(data, SUM);
          comm.allreduceSync(rank === 0 ? data : new Float64Array(others), SUM);
        });
      await refused((comm) => {
        const data = new Float64Array(1);
        for (let round = 0; round < 10; round++) comm.bcastSync(data, 0);
        if (rank === 0) comm.barrierSync();
        else comm.bcastSync(data, 0);
      });
    },

    async 'a communicator that was freed'() {
      const comm = world.dupSync();
      const data = new Float64Array(1);
      for (let round = 0; round < 10; round++) comm.allreduceSync(data, SUM);
      comm.free();
      throws('ERR_CLOSED', () => comm.allreduceSync(data, SUM));
      await rejects('ERR_CLOSED', comm.allreduce(data, SUM));
    },
  },
});
