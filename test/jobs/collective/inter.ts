/** Collective operations between two groups: what one group gives, the other gets. */
import { type InterCommunicator, PROC_NULL, ROOT } from '../../../runtime/index.ts';
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
        const wrong = new Int32Array(theirs.length + 1);
        if (theirs.length > 1) throws('ERR_COUNT', () => inter.alltoallSync(wrong));
        assert.equal(ours.length, inter.size);
        await inter.barrier();
      }),
  },
});
