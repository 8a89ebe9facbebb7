/** Ranks that do not make the same calls: every one of them hears of it, with both calls and where they are. */
import { ASK_AFTER_MS } from '../../../runtime/mpi/collective/round.ts';
import { defineJob } from '../job.ts';
import { assert, pause } from '../lib.ts';
import { refused, toldOf } from '../refused.ts';
import { rank, size, world } from '../ring.ts';

const first = rank === 0;

const numbers = (count: number) => new Float64Array(count);

export default defineJob({
  cases: {
    async 'different operations, blocking and awaited'() {
      const words = ['barrier()', 'allgather(3 elements of Float64Array)', 'mismatch.js:'];
      await refused((comm) => (first ? comm.barrierSync() : comm.allgatherSync(numbers(3))), words);
      await refused((comm) => (first ? comm.barrier() : comm.allgather(numbers(3))), words);
      await refused((comm) => (first ? comm.barrier() : comm.allgatherSync(numbers(3))), words);
    },
    'operations in another order': () =>
      refused(async (comm) => {
        if (first) comm.barrierSync();
        await comm.bcast(numbers(4), 1);
        if (!first) comm.barrierSync();
      }),
    async 'different roots'() {
      await refused((comm) => comm.bcastSync(numbers(4), first ? 0 : 1));
      await refused((comm) => comm.gather(numbers(4), null, first ? 0 : 1));
      await refused((comm) => comm.scatter(numbers(size), numbers(1), first ? 0 : 1));
    },
    async 'different roots, and a message that is looked at many calls later'() {
      if (size === 1) return;
      const comm = await world.dup();
      const data = numbers(4);
      let failed: unknown = null;
      const call = (root: number) => {
        try {
          comm.bcastSync(data, root);
        } catch (error) {
          failed ??= error;
        }
      };
      call(first ? 0 : size - 1);
      // Rank 0 sends, and looks at nothing that comes.
      for (let i = 0; i < 50; i++) call(0);
      for (let i = 0; i < 1000 && failed === null; i++)
        try {
          comm.barrierSync();
        } catch (error) {
          failed = error;
        }
      assert.equal((failed as { code?: string } | null)?.code, 'ERR_MISMATCH');
      comm.free();
      await world.barrier();
    },
    async 'different lengths'() {
      for (const count of [1, 3, 5000, 100_000])
        await refused((comm) => comm.bcastSync(numbers(first ? count : count + 1)));
      await refused((comm) => comm.allgather(numbers(first ? 2 : 3)));
      await refused((comm) => comm.alltoall(numbers((first ? 2 : 3) * size)));
      // The fingerprint of a long one has room for small differences alone.
      await refused((comm) => comm.bcast(new Uint8Array(first ? 4096 : 4096 + 4097)));
    },
    async 'different types of the same length'() {
      await refused((comm) => comm.bcast(first ? numbers(4) : new Int32Array(8)), ['Int32Array']);
      await refused((comm) =>
        comm.allgatherSync<Float32Array | Uint32Array>(
          first ? new Float32Array(1) : new Uint32Array(1),
        ),
      );
    },
    async 'blocks of other lengths than their receivers expect'() {
      const counts = Array.from({ length: size }, (_, one) => (one === 1 ? 3 : 2));
      const blocks = { data: numbers(2 * size + 1), counts };
      await refused((comm) => comm.gathervSync(numbers(2), first ? blocks : null));
      await refused((comm) => comm.scatterv(first ? blocks : null, numbers(2)));
      const views = Array.from({ length: size }, () => numbers(2));
      const wrong = views.map((view, one) => (first && one === 1 ? numbers(1) : view));
      const into = Array.from({ length: size }, () => numbers(2));
      await refused((comm) => comm.alltoallv(wrong, into));
    },
    async 'blocks of other types than their receivers expect'() {
      const of = (one: number) => (first && one === 1 ? new Int32Array(4) : numbers(2));
      const send = Array.from({ length: size }, (_, one) => of(one));
      const receive = Array.from({ length: size }, (_, one) => of(one));
      await refused((comm) => comm.alltoallv(send, receive), ['another type']);
    },
    async 'blocks of other types, of a rank that comes late: the others have asked before'() {
      const typed = (type: number) => (type === 0 ? new Int32Array(4) : numbers(2));
      const list = (mine: number) => Array.from({ length: size }, () => typed(mine));
      const late = async () => (first ? pause(4 * ASK_AFTER_MS) : undefined);
      await refused(async (comm) => {
        await late();
        // Rank 0 gets what it expects, and has gone on before it could be asked.
        await comm.alltoallv(list(first ? 0 : 1), list(1));
      });
      await refused(async (comm) => {
        await late();
        await comm.alltoallv(list(first ? 0 : 1), list(first ? 0 : 1));
      });
    },
    'a rank that makes fewer calls than the others': () =>
      refused(async (comm) => {
        if (!first) await comm.allgather(numbers(1));
        await comm.bcast(numbers(1));
      }),
    async 'in place at some ranks alone, and with the result left out at some'() {
      const all = numbers(size);
      await refused((comm) => comm.alltoall(first ? numbers(size) : all, all));
      const room = Array.from({ length: size }, () => numbers(1));
      await refused((comm) => comm.allgatherv(numbers(1), first ? undefined : room));
    },
    async 'persistent operations'() {
      await refused(async (comm) => {
        const { persistent } = comm;
        const operation = first ? persistent.barrier() : persistent.allgather(numbers(3));
        await operation.run();
      });
      await refused((comm) => comm.persistent.bcast(numbers(first ? 2 : 3)).runSync());
    },
    'the making of communicators': () => refused((comm) => (first ? comm.dup() : comm.split(0))),
    async 'the other communicators go on'() {
      if (size === 1) return;
      const comm = await world.dup();
      const other = await world.dup();
      const pending = other.allgather(Int32Array.of(rank));
      const error = await toldOf(comm, () => (first ? comm.barrier() : comm.allgather(numbers(1))));
      assert.equal(error.code, 'ERR_MISMATCH');
      assert.deepEqual(
        [...(await pending)],
        Array.from({ length: size }, (_, one) => one),
      );
      comm.free();
      other.free();
    },
  },
});
