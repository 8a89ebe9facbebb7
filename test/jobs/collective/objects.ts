/** Collective operations on values. */
import { v8Codec } from '../../../runtime/index.ts';
import { inEitherHabit } from '../elements.ts';
import { defineJob } from '../job.ts';
import { assert, rejects, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

interface Told {
  from: number;
  to?: number;
  numbers: Float64Array;
}

const objects = world.objects<Told>();
const words = world.objects<string>(v8Codec as never);
const ranks = Array.from({ length: size }, (_, one) => one);
/** Short ones, and one that no single packet holds. */
const told = (from: number, to?: number): Told => ({
  from,
  ...(to === undefined ? {} : { to }),
  numbers: new Float64Array(from === 1 ? 30_000 : from).fill(from + 1),
});

export default defineJob({
  cases: {
    async 'bcast and gather, with every root'() {
      for (const root of ranks) {
        const got = await inEitherHabit(
          () => objects.bcastSync(rank === root ? told(root) : undefined, root),
          () => objects.bcast(rank === root ? told(root) : undefined, root),
        );
        assert.deepEqual(got, told(root));
        const all = await inEitherHabit(
          () => objects.gatherSync(told(rank), root),
          () => objects.gather(told(rank), root),
        );
        assert.deepEqual(all, rank === root ? ranks.map((one) => told(one)) : null);
      }
    },
    async 'scatter, allgather and alltoall'() {
      const root = size - 1;
      const mine = await objects.scatter(
        rank === root ? ranks.map((one) => told(one)) : null,
        root,
      );
      assert.deepEqual(mine, told(rank));
      assert.deepEqual(
        objects.allgatherSync(mine),
        ranks.map((one) => told(one)),
      );
      const send = ranks.map((to) => told(rank, to));
      const got = await inEitherHabit(
        () => objects.alltoallSync(send),
        () => objects.alltoall(send),
      );
      assert.deepEqual(
        got,
        ranks.map((from) => told(from, rank)),
      );
    },
    async 'reductions in the order of the ranks'() {
      const name = String.fromCharCode(97 + rank);
      const all = ranks.map((one) => String.fromCharCode(97 + one)).join('');
      const join = (lower: string, higher: string) => lower + higher;
      assert.equal(await words.reduce(name, join, 0), rank === 0 ? all : null);
      assert.equal(words.allreduceSync(name, join), all);
      assert.equal(await words.scan(name, join), all.slice(0, rank + 1));
      assert.equal(words.exscanSync(name, join), rank === 0 ? undefined : all.slice(0, rank));
    },
    async 'what a function throws fails the call at all ranks that wait for it'() {
      const comm = await world.dup();
      const of = comm.objects<number>();
      const combine = (lower: number, higher: number) => {
        if (rank === 1) throw new RangeError('too much');
        return lower + higher;
      };
      const sum = of.scan(1, combine);
      if (rank === 0) assert.equal(await sum, 1);
      else {
        const error = await rejects(rank === 1 ? 'ERR_ARG' : 'ERR_PEER_FAILED', sum);
        assert.match(error.message, /too much|has failed/);
      }
      await world.barrier();
      comm.free();
    },
    'bad arguments are told before anything is sent'() {
      throws('ERR_RANK', () => objects.bcastSync(undefined, size));
      throws('ERR_COUNT', () => objects.alltoallSync([]));
      throws('ERR_COUNT', () => objects.scatterSync(null, rank));
      throws('ERR_ARG', () => words.reduceSync('x', 'no function' as never));
      world.barrierSync();
    },
  },
});
