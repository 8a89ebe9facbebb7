/** Making communicators while others are late, or never come: nobody is told wrongly that it waits in vain. */
import { MPI, MpiError } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';
import { meet } from '../ring.ts';

const { world } = MPI;
const { rank, size } = world;
/** Much longer than a rank sleeps before it looks. */
const LATE_MS = 150;

function compute(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

/** All of one side wait: its leader for the other side's, the others for their leader. */
async function late(blocks: boolean): Promise<void> {
  using side = await world.split(rank % 2);
  const other = 1 - (rank % 2);
  if (rank % 2 === 1) compute(LATE_MS);
  const request = side.createInter(0, world, other, 5);
  using inter = blocks ? request.wait() : await request;
  assert.equal(inter.remoteSize, Math.floor((size + (other === 0 ? 1 : 0)) / 2));
}

/** In pairs: whatever its rounds, a collective of two waits for the other one. */
async function never(): Promise<void> {
  using comm = await world.split(rank >> 1);
  const error = await (comm.rank === 0 ? comm.dup() : comm.recv(new Uint8Array(1), 0, 3)).then(
    () => null,
    (told: unknown) => told,
  );
  assert(error instanceof MpiError);
  assert.equal(error.code, 'ERR_DEADLOCK', error.message);
  assert.match(error.message, /a collective/);
  await meet();
}

export default defineJob({
  ranks: [2, 4],
  settings: [{ DREG_DEADLOCK_MS: '5' }],
  rdma: [],
  cases: {
    'the other side comes late, and this one blocks': () => late(true),
    'the other side comes late, and this one awaits': () => late(false),
    'one makes a communicator alone': never,
  },
});
