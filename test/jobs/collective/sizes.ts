/**
 * Communicators of up to 9 ranks, and of 16, of sizes that no other job has: each operation by each algorithm, from and to every root
 * (of 16 ranks some).
 */
import { type Communicator, Op, SUM } from '../../../runtime/index.ts';
import { forgetOverrides } from '../../../runtime/mpi/collective/select.ts';
import { ALGORITHM_TABLES, namesOf } from '../../tools/algorithms.ts';
import { checkEqual, elements, joined } from '../elements.ts';
import { defineJob } from '../job.ts';
import { rank, world } from '../ring.ts';

const COUNT = 3;
const tables = ALGORITHM_TABLES;
const MOST = Math.max(...tables.map((table) => namesOf(table).length));

/** Each operation takes its algorithm number `i`, or one of them. */
function force(i: number | null): void {
  for (const table of tables) {
    const names = namesOf(table);
    const variable = `DREG_COLL_${table.operation}`;
    if (i === null) delete process.env[variable];
    else process.env[variable] = names[i % names.length];
  }
  forgetOverrides();
}

/** Not commutative: (a, b) after (c, d) is (a c, a d + b), as maps x -> a x + b. */
const compose = Op.of<Float64Array>((x, y) => {
  for (let i = 0; i < y.length; i += 2) {
    y[i + 1] = x[i] * y[i + 1] + x[i + 1];
    y[i] *= x[i];
  }
});
const mapOf = (one: number) => Float64Array.of(one % 2 ? -1 : 1, one + 1);
function composed(ranks: number): Float64Array {
  let [a, b] = [1, 0];
  for (let one = 0; one < ranks; one++) {
    const [c, d] = mapOf(one);
    [a, b] = [a * c, a * d + b];
  }
  return Float64Array.of(a, b);
}

async function move(comm: Communicator): Promise<void> {
  const { rank: mine, size: all } = comm;
  const ranks = Array.from({ length: all }, (_, one) => one);
  const blocks = joined(ranks.map((one) => elements(COUNT, one)));
  for (const root of ranks.filter((one) => isTried(one, all))) {
    force(root);
    const isRoot = mine === root;
    const data = isRoot ? elements(COUNT, root) : new Float64Array(COUNT);
    checkEqual(comm.bcastSync(data, root), elements(COUNT, root), `bcast of ${all}`);
    const gathered = await comm.gather(elements(COUNT, mine), null, root);
    if (isRoot) checkEqual(gathered, blocks, `gather of ${all}`);
    const got = comm.scatterSync(isRoot ? blocks : null, new Float64Array(COUNT), root);
    checkEqual(got, elements(COUNT, mine), `scatter of ${all}`);
  }
  for (let i = 0; i < MOST; i++) {
    force(i);
    await exchange(comm, blocks);
  }
}

async function exchange(comm: Communicator, blocks: Float64Array): Promise<void> {
  const { rank: mine, size: all } = comm;
  const ranks = Array.from({ length: all }, (_, one) => one);
  checkEqual(comm.allgatherSync(elements(COUNT, mine)), blocks, `allgather of ${all}`);
  const lengths = joined((await comm.allgatherv(elements(mine % 3, mine))) as Float64Array[]);
  checkEqual(lengths, joined(ranks.map((one) => elements(one % 3, one))), `allgatherv of ${all}`);
  const send = joined(ranks.map((to) => elements(COUNT, mine * all + to)));
  const received = joined(ranks.map((from) => elements(COUNT, from * all + mine)));
  checkEqual(comm.alltoallSync(send), received, `alltoall of ${all}`);
  const counts = ranks.map(() => COUNT);
  const into = { data: new Float64Array(all * COUNT), counts };
  await comm.alltoallv({ data: send, counts }, into);
  checkEqual(into.data, received, `alltoallv of ${all}`);
  // A communicator may keep to the barrier that it has chosen.
  using other = comm.dupSync();
  await other.barrier();
}

async function reduce(comm: Communicator): Promise<void> {
  const { rank: mine, size: all } = comm;
  for (let root = 0; root < all; root++) {
    if (!isTried(root, all)) continue;
    force(root);
    const reduced = comm.reduceSync(mapOf(mine), null, compose, root);
    if (mine === root) checkEqual(reduced, composed(all), `reduce of ${all}`);
  }
  for (let i = 0; i < MOST; i++) {
    force(i);
    await combine(comm);
  }
}

async function combine(comm: Communicator): Promise<void> {
  const { rank: mine, size: all } = comm;
  const sum = (ranks: number) =>
    elements(COUNT, 0).map((_, i) => {
      let total = 0;
      for (let one = 0; one < ranks; one++) total += elements(COUNT, one)[i];
      return total;
    });
  checkEqual(await comm.allreduce(elements(COUNT, mine), SUM), sum(all), `allreduce of ${all}`);
  checkEqual(comm.allreduceSync(mapOf(mine), compose), composed(all), `allreduce of ${all}`);
  checkEqual(await comm.scan(mapOf(mine), null, compose), composed(mine + 1), `scan of ${all}`);
  const before = comm.exscanSync(mapOf(mine), null, compose);
  if (mine > 0) checkEqual(before, composed(mine), `exscan of ${all}`);
  const counts = Array.from({ length: all }, (_, one) => (one === all - 1 ? COUNT : 0));
  const block = comm.reduceScatterSync(elements(COUNT, mine), null, counts, SUM);
  checkEqual(block, sum(all).slice(0, counts[mine]), `reduceScatter of ${all}`);
}

/** Side by side on parts of the world. */
const SPLITS = [[4, 6, 6], [9, 7], [16]];
const isTried = (root: number, all: number) => all < 16 || root % 5 === 0;

async function onEach(check: (comm: Communicator) => Promise<void>): Promise<void> {
  try {
    for (const sizes of SPLITS) {
      const ends = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((x, y) => x + y));
      using part = world.splitSync(ends.findIndex((end) => rank < end));
      await check(part);
    }
  } finally {
    force(null);
  }
}

export default defineJob({
  ranks: [16],
  rdma: [],
  cases: {
    'data movement': () => onEach(move),
    reductions: () => onEach(reduce),
  },
});
