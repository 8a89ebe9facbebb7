/**
 * Ranks that sleep after each message (DREG_SPIN_POLLS=0) and wake each other, blocked or in the event
 * loop, thousands of times: a bell that is missed is a hang in the loop, and half a second when blocked.
 */
import { MPI, Status } from '../../../runtime/index.ts';
import { assert, Random, sayOk, scaled } from '../lib.ts';

const ROUNDS = scaled(3000);
const world = MPI.world;
const { rank, size } = world;
const next = (rank + 1) % size;
const previous = (rank - 1 + size) % size;
const got = new Int32Array(1);
const status = new Status();
const random = new Random(rank);
const blocking = process.argv[2].split(',')[rank % 2] === 'block';

for (let round = 0; round < ROUNDS; round++) {
  // The neighbour comes to its sleep sooner or later than we to our send.
  for (let i = random.below(2000); i > 0; i--) random.next();
  if (rank === 0) await send(round);
  if (blocking) world.recvSync(got, previous, 1, status);
  else await world.recv(got, previous, 1);
  assert.equal(got[0], round);
  if (rank !== 0) await send(round);
}
sayOk();

async function send(round: number): Promise<void> {
  if (blocking) world.sendSync(Int32Array.of(round), next, 1);
  else await world.send(Int32Array.of(round), next, 1);
}
