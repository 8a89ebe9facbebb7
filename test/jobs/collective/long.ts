/**
 * Long operations, whose ranks read each other's memory from where it lies, or lay it down in chunks: on both sides of the length that decides it,
 * of private memory, of MPI.allocate, and of both kinds at once, in place, strided, and where the kernel does not read for us.
 */
import { AVG, IN_PLACE, MINLOC, MPI, SUM } from '../../../runtime/index.ts';
import { DIRECT_MIN } from '../../../runtime/mpi/collective/lines/direct.ts';
import {
  DIRECT_FOLD_MAX,
  DIRECT_FOLD_MIN,
  DIRECT_PAIR_MIN,
} from '../../../runtime/mpi/collective/lines/reductions.ts';
import { checkEqual, inEitherHabit } from '../elements.ts';
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

const EDGE = DIRECT_MIN / 8;
const FOLD_EDGE = DIRECT_FOLD_MIN / 8;
const PAIR_EDGE = DIRECT_PAIR_MIN / 8;
/** Elements: on both sides of each edge, more than one piece of a fold, no multiple of anything. */
const COUNTS = [PAIR_EDGE - 1, PAIR_EDGE, EDGE - 1, EDGE, FOLD_EDGE - 2, FOLD_EDGE, 9001];

const MEMORIES: Readonly<Record<string, (count: number) => Float64Array>> = {
  private: (count) => new Float64Array(count),
  allocated: (count) => new Float64Array(MPI.allocate(count * 8 + 8), 8, count),
  mixed: (count) => MEMORIES[rank % 2 === 1 ? 'private' : 'allocated'](count),
};

/** Sums of them depend on the order. */
const given = (one: number, at: number) => ((at * 7 + one * 13) % 101) / 3 + one * 1e9;

function put(to: Float64Array, one: number, start = 0): Float64Array {
  for (let at = 0; at < to.length; at++) to[at] = given(one, start + at);
  return to;
}

/** The sum by ranks, of ranks before `ranks`, which have what rank `first` and those behind it have elsewhere. */
function sumOf(count: number, ranks = size, first = 0): Float64Array {
  const sum = put(new Float64Array(count), first);
  for (let one = 1; one < ranks; one++)
    for (let at = 0; at < count; at++) sum[at] += given(first + one, at);
  return sum;
}

/** What rank `one` has in each block, one behind the other. */
function blocks(count: number, of: (block: number) => [one: number, start: number]): Float64Array {
  const all = new Float64Array(count * size);
  for (let block = 0; block < size; block++) {
    const [one, start] = of(block);
    put(all.subarray(block * count, (block + 1) * count), one, start);
  }
  return all;
}

type Make = (count: number) => Float64Array;

async function eachWay(check: (make: Make, count: number, what: string) => Promise<void>) {
  for (const [name, make] of Object.entries(MEMORIES))
    for (const count of COUNTS) await check(make, count, `${count} of ${name} memory`);
}

export default defineJob({
  ranks: [2, 3, 5],
  settings: [{}, { DREG_SINGLE_COPY: 'never' }],
  rdma: [],
  cases: {
    'broadcast, gather, scatter': () =>
      eachWay(async (make, count, what) => {
        const root = count % size;
        const isRoot = rank === root;
        const data = isRoot ? put(make(count), root) : make(count);
        await inEitherHabit(
          () => world.bcastSync(data, root),
          () => world.bcast(data, root),
        );
        checkEqual(data, put(new Float64Array(count), root), `bcast of ${what}`);
        const mine = put(make(count), rank);
        const all = isRoot ? make(count * size) : null;
        await inEitherHabit(
          () => world.gatherSync(mine, all, root),
          () => world.gather(mine, all, root),
        );
        // The others may change at once what they have given.
        mine.fill(-1);
        const gathered = blocks(count, (one) => [one, 0]);
        if (all !== null) checkEqual(all, gathered, `gather of ${what}`);
        await inEitherHabit(
          () => world.scatterSync(all, mine, root),
          () => world.scatter(all, mine, root),
        );
        all?.fill(-1);
        checkEqual(mine, put(new Float64Array(count), rank), `scatter of ${what}`);
        if (isRoot) world.gatherSync(IN_PLACE, put(make(count * size), root), root);
        else world.gatherSync(mine, null, root);
      }),

    'allgather and all-to-all, in place too': () =>
      eachWay(async (make, count, what) => {
        const mine = put(make(count), rank);
        const all = make(count * size);
        await inEitherHabit(
          () => world.allgatherSync(mine, all),
          () => world.allgather(mine, all),
        );
        mine.fill(-1);
        const gathered = blocks(count, (one) => [one, 0]);
        checkEqual(all, gathered, `allgather of ${what}`);
        all.fill(-1);
        put(all.subarray(rank * count, (rank + 1) * count), rank);
        world.allgatherSync(IN_PLACE, all);
        checkEqual(all, gathered, `allgather in place of ${what}`);
        const send = make(count * size);
        put(send, rank);
        const received = blocks(count, (one) => [one, rank * count]);
        await inEitherHabit(
          () => world.alltoallSync(send, all),
          () => world.alltoall(send, all),
        );
        checkEqual(all, received, `alltoall of ${what}`);
        world.alltoallSync(IN_PLACE, send);
        checkEqual(send, received, `alltoall in place of ${what}`);
      }),

    'reductions have the bits of the order of the ranks': () =>
      eachWay(async (make, count, what) => {
        const mine = put(make(count), rank);
        const result = make(count);
        await inEitherHabit(
          () => world.allreduceSync(mine, result, SUM),
          () => world.allreduce(mine, result, SUM),
        );
        checkEqual(result, sumOf(count), `allreduce of ${what}`);
        checkEqual(mine, put(new Float64Array(count), rank), `what was given of ${what}`);
        const root = count % size;
        world.reduceSync(mine, rank === root ? result.fill(0) : null, SUM, root);
        if (rank === root) checkEqual(result, sumOf(count), `reduce of ${what}`);
        await inEitherHabit(
          () => world.scanSync(mine, result, SUM),
          () => world.scan(mine, result, SUM),
        );
        checkEqual(result, sumOf(count, rank + 1), `scan of ${what}`);
        world.exscanSync(mine, result, SUM);
        if (rank > 0) checkEqual(result, sumOf(count, rank), `exscan of ${what}`);
        world.allreduceSync(mine, SUM);
        checkEqual(mine, sumOf(count), `allreduce in place of ${what}`);
        put(mine, rank);
        // Rank 0 alone has its result where others may still read.
        if (rank === 0) world.scanSync(IN_PLACE, mine, SUM);
        else world.scanSync(mine, result, SUM);
        checkEqual(rank === 0 ? mine : result, sumOf(count, rank + 1), `scan in place of ${what}`);
      }),

    'blocks of a reduction, averages, and pairs': () =>
      eachWay(async (make, count, what) => {
        const all = put(make(count * size), rank);
        const whole = sumOf(count * size);
        const block = make(count);
        world.reduceScatterBlockSync(all, block, SUM);
        const mine = whole.slice(rank * count, (rank + 1) * count);
        checkEqual(block, mine, `reduceScatterBlock of ${what}`);
        const counts = Array.from({ length: size }, (_, one) => (one === size - 1 ? count : 0));
        const part = put(make(count), rank);
        const last = make(counts[rank]);
        world.reduceScatterSync(part, last, counts, SUM);
        checkEqual(last, sumOf(counts[rank]), `reduceScatter of ${what}`);
        const average = world.allreduceSync(part, make(count), AVG);
        const sum = sumOf(count);
        checkEqual(
          average,
          sum.map((one) => one / size),
          `average of ${what}`,
        );
        const pairs = make(count - (count % 2));
        for (let at = 0; at < pairs.length; at += 2) {
          pairs[at] = (rank + at) % size;
          pairs[at + 1] = rank;
        }
        world.allreduceSync(pairs, MINLOC);
        for (let at = 0; at < pairs.length; at += 2) {
          const least = (size - (at % size)) % size;
          assert.deepEqual([pairs[at], pairs[at + 1]], [0, least], `pair ${at} of ${what}`);
        }
      }),

    async 'reductions of a great many elements'() {
      for (const name of ['private', 'allocated']) {
        const count = DIRECT_FOLD_MAX / 8 + 3;
        const mine = put(MEMORIES[name](count), rank);
        const result = MEMORIES[name](count);
        const sum = sumOf(count);
        world.allreduceSync(mine, result, SUM);
        checkEqual(result, sum, `allreduce of ${name} memory`);
        await world.reduce(mine, rank === size - 1 ? result.fill(0) : null, SUM, size - 1);
        checkEqual(result, sum, `reduce of ${name} memory`);
      }
    },

    async 'the same calls again, with other contents'() {
      for (const make of Object.values(MEMORIES))
        for (const count of [EDGE, FOLD_EDGE + 1]) {
          const mine = make(count);
          const result = make(count);
          const send = make(count * size);
          const all = make(count * size);
          for (let turn = 0; turn < 4; turn++) {
            const given = put(mine, rank + turn);
            const sum = sumOf(count, size, turn);
            if (turn % 2 === 0) world.allreduceSync(given, result, SUM);
            else await world.allreduce(given, result, SUM);
            checkEqual(result, sum, `allreduce ${turn}`);
            put(send, rank + turn);
            world.alltoallSync(send, all);
            const received = blocks(count, (one) => [one + turn, rank * count]);
            checkEqual(all, received, `alltoall ${turn}`);
          }
        }
    },

    async 'some ranks in strides'() {
      const count = EDGE + 5;
      const data = new Float64Array(2 * count);
      for (const strided of [0, size - 1]) {
        const mine = rank === strided;
        if (rank === 0) for (let at = 0; at < count; at++) data[mine ? 2 * at : at] = given(3, at);
        const dense = data.subarray(0, count);
        const laid = { data, shape: [count], stride: [2], offset: 0 };
        world.bcastSync(mine ? laid : dense, 0);
        for (let at = 0; at < count; at++)
          assert.equal(data[mine ? 2 * at : at], given(3, at), `element ${at}`);
      }
    },

    async 'several at once, finished out of order'() {
      const arrays = Array.from({ length: 6 }, (_, i) => {
        const data = new Float64Array(FOLD_EDGE + i);
        return i % size === rank ? put(data, i) : data;
      });
      const sums = arrays.map(({ length }) => put(new Float64Array(length), rank));
      const requests = arrays.flatMap((data, i) => [
        world.bcast(data, i % size),
        world.allreduce(sums[i], SUM),
      ]);
      for (let i = requests.length - 1; i >= 0; i--) await requests[i];
      for (const [i, data] of arrays.entries()) {
        checkEqual(data, put(new Float64Array(data.length), i), `bcast ${i}`);
        checkEqual(sums[i], sumOf(data.length), `allreduce ${i}`);
      }
    },
  },
});
