/**
 * Ranks on two nodes, or what passes for them: calls go within each, then across, then within, and have the results and the bits that
 * they have on one. All other collective jobs so: nodes.full.test.ts.
 */
import { AVG, IN_PLACE, MAX, Op, SUM } from '../../../runtime/index.ts';
import { checkEqual, inEitherHabit } from '../elements.ts';
import { ACROSS_NODES, defineJob } from '../job.ts';
import { assert, rejects } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

/** Elements: fewer than there are ranks of a node, and a piece and a bit for each. */
const COUNTS = [0, 1, 2, 1001];

/** Sums of them depend on the order. */
const given = (one: number, at: number) => ((at * 7 + one * 13) % 101) / 3 + one * 1e9;
const filled = (count: number, one: number) =>
  Float64Array.from({ length: count }, (_, at) => given(one, at));

/** By ranks. */
function folded(count: number, of: (a: number, b: number) => number): Float64Array {
  const all = filled(count, 0);
  for (let one = 1; one < size; one++)
    for (let at = 0; at < count; at++) all[at] = of(all[at], given(one, at));
  return all;
}

export default defineJob({
  settings: ACROSS_NODES,
  ranks: [2, 3, 5],
  rdma: [],
  cases: {
    async 'barrier, and broadcast from every root'() {
      for (let root = 0; root < size; root++) {
        const data = rank === root ? filled(1001, root) : new Float64Array(1001);
        world.barrierSync();
        await inEitherHabit(
          () => world.bcastSync(data, root),
          () => world.bcast(data, root),
        );
        checkEqual(data, filled(1001, root), `from ${root}`);
      }
      await world.barrier();
    },

    async 'allgather, in place too'() {
      for (const count of COUNTS) {
        const expected = Array.from({ length: size }, (_, one) => [...filled(count, one)]).flat();
        const all = new Float64Array(count * size);
        await inEitherHabit(
          () => world.allgatherSync(filled(count, rank), all.fill(0)),
          () => world.allgather(filled(count, rank), all.fill(0)),
        );
        checkEqual(all, Float64Array.from(expected), `${count} of each`);
        all.fill(0).set(filled(count, rank), rank * count);
        world.allgatherSync(IN_PLACE, all);
        checkEqual(all, Float64Array.from(expected), `${count} of each, in place`);
      }
    },

    async 'gather to every root and scatter from it, in place too'() {
      for (const count of COUNTS)
        for (let root = 0; root < size; root++) {
          const whole = Float64Array.from(
            Array.from({ length: size }, (_, one) => [...filled(count, one)]).flat(),
          );
          const all = rank === root ? new Float64Array(count * size) : null;
          await inEitherHabit(
            () => world.gatherSync(filled(count, rank), all, root),
            () => world.gather(filled(count, rank), all, root),
          );
          if (all !== null) {
            checkEqual(all, whole, `${count} of each to ${root}`);
            all.fill(0).set(filled(count, rank), rank * count);
          }
          world.gatherSync(all === null ? filled(count, rank) : IN_PLACE, all, root);
          if (all !== null) checkEqual(all, whole, `${count} of each to ${root}, in place`);
          const mine = new Float64Array(count);
          await inEitherHabit(
            () => world.scatterSync(all, mine.fill(0), root),
            () => world.scatter(all, mine.fill(0), root),
          );
          checkEqual(mine, filled(count, rank), `${count} from ${root}`);
          world.scatterSync(all, rank === root ? IN_PLACE : mine.fill(0), root);
          checkEqual(mine, filled(count, rank), `${count} from ${root}, in place`);
        }
    },

    async alltoall() {
      for (const count of COUNTS) {
        const of = (from: number, to: number) => filled(count, from * 31 + to);
        const blocks = (block: (other: number) => Float64Array) =>
          Float64Array.from(Array.from({ length: size }, (_, one) => [...block(one)]).flat());
        const sent = blocks((to) => of(rank, to));
        const came = new Float64Array(count * size);
        await inEitherHabit(
          () => world.alltoallSync(sent, came.fill(0)),
          () => world.alltoall(sent, came.fill(0)),
        );
        const expected = blocks((from) => of(from, rank));
        checkEqual(came, expected, `${count} of each to each`);
        world.alltoallSync(IN_PLACE, sent);
        checkEqual(sent, expected, `${count} of each to each, in place`);
      }
    },

    async 'reductions have the bits of the order of the ranks'() {
      for (const count of COUNTS) {
        const sum = folded(count, (a, b) => a + b);
        const mine = filled(count, rank);
        checkEqual(world.allreduceSync(mine, SUM), sum, `allreduce of ${count} in place`);
        const average = await world.allreduce(filled(count, rank), new Float64Array(count), AVG);
        checkEqual(
          average,
          sum.map((one) => one / size),
          `average of ${count}`,
        );
        const most = world.allreduceSync(filled(count, rank), new Float64Array(count), MAX);
        checkEqual(most, folded(count, Math.max), `maximum of ${count}`);
        for (let root = 0; root < size; root++) {
          const result = await world.reduce(filled(count, rank), null, SUM, root);
          if (rank === root)
            checkEqual(result as Float64Array, sum, `reduce of ${count} to ${root}`);
          else assert.equal(result, null);
        }
      }
    },

    async 'a function that throws at one rank fails everywhere'() {
      const op = Op.each((a, b) => {
        if (rank === 1) throw new Error('no');
        return a + b;
      });
      await rejects('ERR_OP', world.allreduce(filled(7, rank), new Float64Array(7), op));
      world.barrierSync();
    },

    async 'part of the ranks on one node'() {
      const near = world.splitSync(rank % 2);
      const sum = near.allreduceSync(Float64Array.of(rank), SUM);
      const ranks = Array.from({ length: size }, (_, one) => one).filter(
        (one) => one % 2 === rank % 2,
      );
      assert.equal(
        sum[0],
        ranks.reduce((a, b) => a + b, 0),
      );
      near.free();
    },
  },
});
