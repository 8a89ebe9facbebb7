/** barrier on control lines: the same, where the ranks have memory in common. */
import { defineJob } from '../job.ts';
import barrier from './barrier.ts';

export default defineJob({
  settings: [{ DREG_COLL_BARRIER: 'lines' }],
  ranks: [2, 3, 8],
  rdma: [],
  cases: barrier.cases,
});
