/** Collective operations between two groups: what one group gives, the other gets. */
import {
  AVG,
  type InterCommunicator,
  MAX,
  Op,
  PROC_NULL,
  ROOT,
  SUM,
} from '../../../runtime/index.ts';
import { checkEqual, elements, inEitherHabit, joined } from '../elements.ts';
import { defineJob } from '../job.ts';
import { assert, rejects, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

/** The ranks of the world of the group of even ones, or the others. */
const groupOf = (parity: number) =>
  Array.from({ length: size }, (_, one) => one).filter((one) => one % 2 === parity);
const ours = groupOf(rank % 2);
const theirs = groupOf(1 - (rank % 2));

async function between(check: (inter: InterCommunicator) => Promise<void>): Promise<void> {
  if (size === 1) return;
  const half = await world.split(rank % 2);
  const inter = await half.createInter(0, world, 1 - (rank % 2), 7);
  await check(inter);
  inter.free();
  half.free();
}

/** What a rank passes as the root, so that each rank of the world is it in turn. */
const rootFor = (root: number) =>
  root === rank ? ROOT : root % 2 === rank % 2 ? PROC_NULL : theirs.indexOf(root);

/** The sum of what these ranks give. */
function sumOf(ranks: readonly number[], count: number): Float64Array {
  const sum = new Float64Array(count);
  for (const one of ranks) for (const [i, x] of elements(count, one).entries()) sum[i] += x;
  return sum;
}

/** Each rank has a digit: their order shows. */
const inOrder = Op.each((x: number, y: number) => x * 10 + y, { name: 'in order' });
const digitsOf = (ranks: readonly number[]) => ranks.reduce((x, y) => x * 10 + y);

export default defineJob({
  cases: {
    'bcast from every rank': () =>
      between(async (inter) => {
        for (const count of [0, 5, 3000])
          for (let root = 0; root < size; root++) {
            const as = rootFor(root);
            const data = as === ROOT ? elements(count, root) : new Float64Array(count);
            await inEitherHabit(
              () => inter.bcastSync(as === PROC_NULL ? null : data, as),
              () => inter.bcast(as === PROC_NULL ? null : data, as),
            );
            const filled = as === ROOT || as >= 0;
            checkEqual(data, filled ? elements(count, root) : new Float64Array(count), 'bcast');
          }
      }),
    'gather to every rank': () =>
      between(async (inter) => {
        for (let root = 0; root < size; root++) {
          const as = rootFor(root);
          const into = as === ROOT ? new Float64Array(4 * theirs.length) : null;
          const mine = as >= 0 ? elements(4, rank) : null;
          const got = await inEitherHabit(
            () => inter.gatherSync(mine, into, as),
            () => inter.gather(mine, into, as),
          );
          assert.equal(got, into);
          if (into !== null)
            checkEqual(into, joined(theirs.map((one) => elements(4, one))), 'gather');
        }
      }),
    'allgather, of other lengths on both sides': () =>
      between(async (inter) => {
        const count = (parity: number) => 3 + parity;
        const mine = elements(count(rank % 2), rank);
        const expected = joined(theirs.map((one) => elements(count(1 - (rank % 2)), one)));
        checkEqual(await inter.allgather(mine), expected, 'new memory');
        const into = new Float64Array(expected.length);
        assert.equal(inter.allgatherSync(mine, into), into);
        checkEqual(into, expected, 'memory that is given');
      }),
    'alltoall, of other lengths in both directions': () =>
      between(async (inter) => {
        const count = (parity: number) => 2 + parity;
        const seed = (from: number, to: number) => from * 31 + to;
        const send = joined(theirs.map((to) => elements(count(rank % 2), seed(rank, to))));
        const into = new Float64Array(count(1 - (rank % 2)) * theirs.length);
        await inEitherHabit(
          () => inter.alltoallSync(send, into),
          () => inter.alltoall(send, into),
        );
        const parts = theirs.map((from) => elements(count(1 - (rank % 2)), seed(from, rank)));
        checkEqual(into, joined(parts), 'alltoall');
      }),
    'scatter, gatherv and scatterv with every root': () =>
      between(async (inter) => {
        const countOf = (one: number) => one % 3;
        const counts = theirs.map(countOf);
        const blocks = () => theirs.map((one) => elements(countOf(one), one));
        for (let root = 0; root < size; root++) {
          const as = rootFor(root);
          const [isRoot, gives] = [as === ROOT, as >= 0];
          const all = isRoot ? joined(theirs.map((one) => elements(4, one))) : null;
          const four = gives ? new Float64Array(4) : null;
          const got = await inEitherHabit(
            () => inter.scatterSync(all, four, as),
            () => inter.scatter(all, four, as),
          );
          assert.equal(got, four);
          if (four !== null) checkEqual(four, elements(4, rank), 'scatter');

          const data = new Float64Array(joined(blocks()).length);
          const into = isRoot ? { data, counts } : null;
          const mine = gives ? elements(countOf(rank), rank) : null;
          const gathered = await inEitherHabit(
            () => inter.gathervSync(mine, into, as),
            () => inter.gatherv(mine, into, as),
          );
          assert.equal(gathered, into);
          if (isRoot) checkEqual(data, joined(blocks()), 'gatherv');

          const room = gives ? new Float64Array(countOf(rank)) : null;
          const send = isRoot ? blocks() : null;
          await inEitherHabit(
            () => inter.scattervSync(send, room, as),
            () => inter.scatterv(send, room, as),
          );
          if (room !== null) checkEqual(room, elements(countOf(rank), rank), 'scatterv');
        }
      }),
    'allgatherv and alltoallv, blocks of several lengths and types': () =>
      between(async (inter) => {
        const mine = elements(rank % 4, rank);
        const expected = theirs.map((one) => elements(one % 4, one));
        const found = (await inter.allgatherv(mine)) as Float64Array[];
        for (const [i, block] of expected.entries()) checkEqual(found[i], block, 'new memory');
        const into = expected.map((block) => new Float64Array(block.length));
        assert.equal(inter.allgathervSync(mine, into), into);
        for (const [i, block] of expected.entries()) checkEqual(into[i], block, 'given memory');

        const typeOf = (from: number, to: number) => ((from + to) % 2 ? Int16Array : Float32Array);
        const block = (from: number, to: number) =>
          elements((from * to) % 3, from + to, typeOf(from, to));
        const send = theirs.map((to) => block(rank, to));
        const room = theirs.map((from) => new (typeOf(from, rank))((from * rank) % 3));
        await inEitherHabit(
          () => inter.alltoallvSync(send, room),
          () => inter.alltoallv(send, room),
        );
        for (const [i, from] of theirs.entries()) checkEqual(room[i], block(from, rank), 'v');
      }),
    'reduce to every rank, of arrays and of numbers, in the order of the other group': () =>
      between(async (inter) => {
        for (const count of [0, 3, 5000])
          for (let root = 0; root < size; root++) {
            const as = rootFor(root);
            const into = as === ROOT ? new Float64Array(count) : null;
            const mine = as >= 0 ? elements(count, rank) : null;
            const got = await inEitherHabit(
              () => inter.reduceSync(mine, into, SUM, as),
              () => inter.reduce(mine, into, SUM, as),
            );
            assert.equal(got, into);
            if (into !== null) checkEqual(into, sumOf(theirs, count), `${count}`);
            const digits = await inter.reduce(rank, inOrder, as);
            assert.equal(digits, as === ROOT ? digitsOf(theirs) : null);
            const most = inter.reduceSync(BigInt(rank), MAX, as);
            assert.equal(most, as === ROOT ? BigInt(theirs[theirs.length - 1]) : null);
          }
      }),
    'allreduce: each group has what the other one gives': () =>
      between(async (inter) => {
        for (const count of [0, 3, 5000]) {
          const mine = elements(count, rank);
          checkEqual(await inter.allreduce(mine, null, SUM), sumOf(theirs, count), 'new memory');
          const into = new Float64Array(count);
          const got = await inEitherHabit(
            () => inter.allreduceSync(mine, into, SUM),
            () => inter.allreduce(mine, into, SUM),
          );
          assert.equal(got, into);
          checkEqual(into, sumOf(theirs, count), `${count}`);
          checkEqual(mine, elements(count, rank), 'what was given');
        }
        assert.equal(await inter.allreduce(rank, inOrder), digitsOf(theirs));
        const average = theirs.reduce((x, y) => x + y) / theirs.length;
        assert.equal(inter.allreduceSync(rank, AVG), average);
        assert.equal(
          inter.allreduceSync(rank % 2 ? 0.1 : 0.2, SUM, { reproducible: 'any size' }),
          theirs.map((one) => (one % 2 ? 0.1 : 0.2)).length * (theirs[0] % 2 ? 0.1 : 0.2),
        );
      }),
    'reduceScatter and reduceScatterBlock: each rank has its block of what the other group gives':
      () =>
        between(async (inter) => {
          const block = 3;
          const count = block * ours.length * theirs.length;
          const mine = elements(count, rank);
          const sum = sumOf(theirs, count);
          const own = block * theirs.length;
          const at = inter.rank * own;
          const got = await inEitherHabit(
            () => inter.reduceScatterBlockSync(mine, null, SUM),
            () => inter.reduceScatterBlock(mine, null, SUM),
          );
          checkEqual(got, sum.slice(at, at + own), 'block');
          // The last rank has all, the others nothing.
          const counts = ours.map((_, i) => (i === ours.length - 1 ? count : 0));
          const into = new Float64Array(counts[inter.rank]);
          await inEitherHabit(
            () => inter.reduceScatterSync(mine, into, counts, SUM),
            () => inter.reduceScatter(mine, into, counts, SUM),
          );
          checkEqual(into, inter.rank === ours.length - 1 ? sum : new Float64Array(0), 'counts');
        }),
    'an operation that throws at one rank is an error at all that wait for it': () =>
      between(async (inter) => {
        for (const at of [0, size - 1]) {
          if (groupOf(at % 2).length === 1) continue;
          const fails = Op.each((x: number, y: number) => {
            if (rank === at) throw new RangeError('no such number');
            return x + y;
          });
          const mine = new Float64Array(4000);
          // Each rank folds a part of them, so the one that fails has something to fold.
          for (const call of [
            () => inter.allreduce(mine, null, fails),
            () =>
              inter.reduceScatter(
                mine,
                null,
                ours.map((_, i) => (i === 0 ? 4000 : 0)),
                fails,
              ),
          ]) {
            const error = await rejects('ERR_OP', call());
            if (rank === at) assert(error.cause instanceof RangeError);
            else assert.equal(error.peer, groupOf(at % 2).indexOf(at));
          }
          const root = at % 2 ? 0 : 1;
          const as = rootFor(root);
          const reduced = inter.reduce(mine, new Float64Array(4000), fails, as);
          if (as === PROC_NULL) assert.equal(await reduced, null);
          else assert.match((await rejects('ERR_OP', reduced)).message, /threw an error/);
        }
        assert.equal(inter.allreduceSync(1, SUM), theirs.length);
      }),
    'barriers let nobody through before all of the other group are there': () =>
      between(async (inter) => {
        for (let round = 0; round < 5; round++) {
          for (const to of theirs.keys()) inter.isend(Int32Array.of(round), to, 5);
          if (round % 2) inter.barrierSync();
          else await inter.barrier();
          for (const from of theirs.keys()) {
            const got = new Int32Array(1);
            assert(inter.irecv(got, from, 5).test(), `rank ${from} had not entered`);
          }
        }
      }),
    'calls that do not fit together are ERR_MISMATCH on both sides': () =>
      between(async (inter) => {
        const calls = async () => {
          await (rank % 2 ? inter.barrier() : inter.allgather(new Int32Array(2)));
          for (;;) await inter.barrier();
        };
        await rejects('ERR_MISMATCH', calls());
        await world.barrier();
      }),
    'bad arguments are told before anything is sent': () =>
      between(async (inter) => {
        throws('ERR_RANK', () => inter.bcastSync(new Uint8Array(1), theirs.length));
        throws('ERR_RANK', () => inter.bcastSync(new Uint8Array(1), -4));
        throws('ERR_BUFFER', () => inter.bcastSync(null, ROOT));
        throws('ERR_BUFFER', () => inter.gatherSync(null, null, ROOT));
        throws('ERR_OP', () => inter.reduceSync(rank, 'sum' as never, ROOT));
        throws('ERR_BUFFER', () => inter.reduceSync(null, null, SUM, ROOT));
        const one = new Float64Array(1);
        throws('ERR_BUFFER', () => inter.allreduceSync(one, SUM as never, SUM));
        throws('ERR_BUFFER', () => inter.allreduceSync(one, one, SUM));
        throws('ERR_COUNT', () => inter.reduceScatterSync(one, null, [], SUM));
        throws('ERR_COUNT', () => inter.gathervSync(null, [], ROOT));
        throws('ERR_ARG', () => inter.scattervSync(null, null, ROOT));
        const wrong = new Int32Array(theirs.length + 1);
        if (theirs.length > 1) throws('ERR_COUNT', () => inter.alltoallSync(wrong));
        assert.equal(ours.length, inter.size);
        await inter.barrier();
      }),
  },
});
