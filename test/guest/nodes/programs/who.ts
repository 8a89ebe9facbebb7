/** Says who this rank is and which ranks are on its node. argv[2]: the last rank aborts, or leaves. */
import { joinJob } from '../../../../runtime/job/join.ts';
import { joinSegment } from '../../../../transports/shm/join.ts';

const job = joinJob();
const { rank, size } = job;
const last = rank === size - 1;
if (process.argv[2] === 'leave' && last) process.exit(3);
const { ranks } = joinSegment(job).segment;
if (process.argv[2] === 'abort') {
  if (last) job.abort(7, 'as asked');
  // The others wait for what never comes.
  setInterval(() => {}, 1000);
} else {
  process.stdout.write(`rank ${rank} of ${size}, near ${ranks.join(',')}\n`);
  job.finalize();
}
