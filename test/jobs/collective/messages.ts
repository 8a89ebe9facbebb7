/** Barriers, and calls that do not fit together, by messages: the same as on control lines. */
import { BY_MESSAGES, defineJob } from '../job.ts';
import barrier from './barrier.ts';
import mismatch from './mismatch.ts';

export default defineJob({
  settings: [BY_MESSAGES],
  ranks: [2, 3, 8],
  rdma: [],
  cases: { ...barrier.cases, ...mismatch.cases },
});
