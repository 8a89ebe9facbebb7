/** Ranks that lack memory for control lines agree to go by messages: no call fails. */
import type { Communicator } from '../../../runtime/index.ts';
import { MpiError, SUM } from '../../../runtime/index.ts';
import { checkEqual, elements, inEitherHabit, joined } from '../elements.ts';
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

const ranks = Array.from({ length: size }, (_, one) => one);
const { blocks } = world.endpoint.engine.shared;
/** The rank that lacks memory. */
const short = rank === size - 1;

/** From now on this rank gets no memory for blocks. */
function lack(): void {
  if (!short || blocks === null) return;
  Object.assign(blocks, {
    reserve: () => {
      throw new MpiError('ERR_NO_MEM', 'there is none, for a test');
    },
  });
}

function sum(length: number): Float64Array {
  const given = ranks.map((one) => elements(length, one));
  return given[0].map((_, i) => given.reduce((total, each) => total + each[i], 0));
}

type Call = (comm: Communicator, length: number) => Promise<unknown>;

/** Each checks what it gets. */
const CALLS: Record<string, Call> = {
  barrier: (comm) =>
    inEitherHabit(
      () => comm.barrierSync(),
      () => comm.barrier(),
    ),
  async bcast(comm, length) {
    const root = comm.size - 1;
    const data = comm.rank === root ? elements(length, 7) : new Float64Array(length);
    await inEitherHabit(
      () => comm.bcastSync(data, root),
      () => comm.bcast(data, root),
    );
    checkEqual(data, elements(length, 7), 'bcast');
  },
  async allgather(comm, length) {
    const mine = elements(length, comm.rank);
    const all = await inEitherHabit(
      () => comm.allgatherSync(mine),
      () => comm.allgather(mine),
    );
    checkEqual(all, joined(ranks.map((one) => elements(length, one))), 'allgather');
  },
  async allreduce(comm, length) {
    const mine = elements(length, rank);
    const all = await inEitherHabit(
      () => comm.allreduceSync(mine, null, SUM),
      () => comm.allreduce(mine, null, SUM),
    );
    checkEqual(all, sum(length), 'allreduce');
  },
};

const LENGTHS = [1, 1000, 50_000];

/** Every call, one that needs little memory and one that needs more, is the first of some communicator. */
async function eachFirst(make: () => PromiseLike<Communicator>): Promise<void> {
  for (const call of Object.values(CALLS))
    for (const length of LENGTHS) {
      using comm = await make();
      await call(comm, length);
      for (const other of Object.values(CALLS)) await other(comm, length);
      for (const other of Object.values(CALLS)) await other(comm, 1);
    }
}

/** Many are under way before this rank can know how they go. */
async function manyAtOnce(comm: Communicator): Promise<void> {
  const started = LENGTHS.flatMap((length) => [
    comm.allgather(elements(length, comm.rank)),
    comm.allreduce(elements(length, rank), null, SUM),
    comm.barrier(),
  ]);
  comm.barrierSync();
  for (const [i, length] of [...LENGTHS.entries()].reverse()) {
    await started[3 * i + 2];
    checkEqual(await started[3 * i + 1], sum(length), 'allreduce');
    const all = joined(ranks.map((one) => elements(length, one)));
    checkEqual(await started[3 * i], all, 'allgather');
  }
}

const onLines = (comm: Communicator) => comm.calls.lines?.refused === false;
const before = await world.dup();

export default defineJob({
  ranks: [2, 3],
  alone: true,
  rdma: [],
  cases: {
    async 'for what does not lie in the lines: short calls go on there'() {
      await before.barrier();
      lack();
      await eachFirst(() => world.dup());
      const comm = await world.dup();
      await manyAtOnce(comm);
      assert(blocks === null || onLines(comm));
      comm.free();
    },
    async 'of the rank that makes them'() {
      const backwards = () => world.split(0, -rank);
      await eachFirst(backwards);
      const comm = await backwards();
      await manyAtOnce(comm);
      assert(!onLines(comm));
      comm.free();
    },
    async 'of any other rank, from then on'() {
      await eachFirst(() => world.dup());
      const comm = await world.dup();
      await manyAtOnce(comm);
      assert(!onLines(comm));
      comm.free();
    },
    async 'communicators that had lines before keep them'() {
      await manyAtOnce(before);
      assert(blocks === null || onLines(before));
      before.free();
    },
    async 'calls that differ are found all the same'() {
      using comm = await world.dup();
      const call = () => (short ? comm.barrier() : comm.allgather(elements(3, rank)));
      await assert.rejects(async () => {
        await call();
        for (;;) await comm.barrier();
      }, /ERR_MISMATCH|do not make the same/);
    },
  },
});
