/** Both ranks send very many small messages first, and receive then. */
import { MPI } from '../../../runtime/index.ts';
import { UNEXPECTED_MESSAGES_MAX } from '../../../runtime/messaging/flow/credit.ts';
import { defineJob } from '../job.ts';
import { assert, scaled } from '../lib.ts';

const world = MPI.world;
const other = 1 - world.rank;
const number = new Int32Array(1);
// All that there is room for, and no more: the next one may wait for its receive.
const COUNT = Math.min(UNEXPECTED_MESSAGES_MAX, scaled(UNEXPECTED_MESSAGES_MAX));
assert(UNEXPECTED_MESSAGES_MAX >= 100_000);

async function sendFirst(waits: boolean): Promise<void> {
  for (let i = 0; i < COUNT; i++) {
    number[0] = i;
    if (waits) await world.send(number, other);
    else world.sendSync(number, other);
  }
  for (let i = 0; i < COUNT; i++) {
    number[0] = -1;
    if (waits) await world.recv(number, other);
    else world.recvSync(number, other);
    assert.equal(number[0], i);
  }
}

export default defineJob({
  ranks: [2],
  rdma: [[2, 'auto']],
  heavy: true,
  cases: {
    'both ranks send 131071 messages first, sync': () => sendFirst(false),
    'both ranks send 131071 messages first, await': () => sendFirst(true),
  },
});
