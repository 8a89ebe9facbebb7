/**
 * Ranks that sleep after each message (DREG_SPIN_POLLS=0) and wake each other, blocked or in the event
 * loop, thousands of times: a bell that is missed is a hang in the loop, and half a second when blocked.
 */
import { MPI, Status } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, Random, scaled } from '../lib.ts';

const world = MPI.world;
const { rank, size } = world;
const ROUNDS = scaled(size === 2 ? 3000 : 1000);
const next = (rank + 1) % size;
const previous = (rank - 1 + size) % size;
const got = new Int32Array(1);
const status = new Status();
const random = new Random(rank);

type Habit = 'block' | 'loop';

async function wakeups(even: Habit, odd: Habit): Promise<void> {
  const blocking = (rank % 2 === 0 ? even : odd) === 'block';
  for (let round = 0; round < ROUNDS; round++) {
    // The neighbour comes to its sleep sooner or later than we to our send.
    for (let i = random.below(2000); i > 0; i--) random.next();
    if (rank === 0) await send(round, blocking);
    if (blocking) world.recvSync(got, previous, 1, status);
    else await world.recv(got, previous, 1);
    assert.equal(got[0], round);
    if (rank !== 0) await send(round, blocking);
  }
}

async function send(round: number, blocking: boolean): Promise<void> {
  if (blocking) world.sendSync(Int32Array.of(round), next, 1);
  else await world.send(Int32Array.of(round), next, 1);
}

export default defineJob({
  ranks: [2, 5],
  settings: [{ DREG_SPIN_POLLS: '0' }],
  rdma: [[3, 'auto']],
  heavy: true,
  cases: {
    'every bell is heard by ranks that block': () => wakeups('block', 'block'),
    'every bell is heard by ranks in the event loop': () => wakeups('loop', 'loop'),
    'every bell is heard by some that block and some in the loop': () => wakeups('loop', 'block'),
  },
});
