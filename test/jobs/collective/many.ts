/** Many ranks: trees and rounds that fewer do not have. */
import { ALLGATHER, ALLGATHERV } from '../../../runtime/mpi/collective/allgather.ts';
import { ALLTOALL } from '../../../runtime/mpi/collective/alltoall.ts';
import { BCAST } from '../../../runtime/mpi/collective/bcast.ts';
import { GATHER } from '../../../runtime/mpi/collective/gather.ts';
import { SCATTER } from '../../../runtime/mpi/collective/scatter.ts';
import { byEachAlgorithm, checkEqual, elements, joined } from '../elements.ts';
import { defineJob } from '../job.ts';
import { rank, size, world } from '../ring.ts';

const ranks = Array.from({ length: size }, (_, one) => one);
const ROOTS = [0, 5, size - 1];
const COUNT = 4;
const all = () => joined(ranks.map((one) => elements(COUNT, one)));

export default defineJob({
  ranks: [16],
  rdma: [],
  cases: {
    async 'from one, and to one'() {
      for (const root of ROOTS) {
        const own = rank === root;
        await byEachAlgorithm(BCAST, async (name) => {
          const data = own ? elements(50, root) : new Float64Array(50);
          checkEqual(await world.bcast(data, root), elements(50, root), name);
        });
        await byEachAlgorithm(GATHER, async (name) => {
          const got = await world.gather(elements(COUNT, rank), null, root);
          if (own) checkEqual(got, all(), name);
        });
        await byEachAlgorithm(SCATTER, async (name) => {
          const got = await world.scatter(own ? all() : null, new Float64Array(COUNT), root);
          checkEqual(got, elements(COUNT, rank), name);
        });
      }
    },
    async 'from all to all'() {
      await byEachAlgorithm(ALLGATHER, async (name) => {
        checkEqual(await world.allgather(elements(COUNT, rank)), all(), name);
      });
      await byEachAlgorithm(ALLGATHERV, async (name) => {
        const data = new Float64Array(size * COUNT);
        await world.allgatherv(elements(COUNT, rank), { data, counts: ranks.map(() => COUNT) });
        checkEqual(data, all(), name);
      });
      await byEachAlgorithm(ALLTOALL, async (name) => {
        const send = joined(ranks.map((to) => elements(COUNT, rank * size + to)));
        const expected = joined(ranks.map((from) => elements(COUNT, from * size + rank)));
        checkEqual(await world.alltoall(send), expected, name);
      });
    },
  },
});
