/** Rank 0 has sent more than rank 1 keeps; what rank 1 asks for is behind all of it. */
import { MPI, Request } from '../../../runtime/index.ts';
import { UNEXPECTED_MESSAGES_MAX } from '../../../runtime/messaging/flow/credit.ts';
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';

const world = MPI.world;
const COUNT = UNEXPECTED_MESSAGES_MAX + 20_000;
const MANY = 1;
const ONE = 2;
const LARGE = 3;
const GO = 4;
const number = new Int32Array(1);
const large = new Uint8Array(300_000);

async function behind(): Promise<void> {
  if (world.rank === 0) {
    const all: Request[] = [];
    for (let i = 0; i < COUNT; i++) all.push(world.isend(Int32Array.of(i), 1, MANY));
    all.push(world.isend(Int32Array.of(-1), 1, ONE));
    all.push(world.isend(large.fill(7), 1, LARGE));
    world.barrierSync();
    assert(!all[COUNT - 1].done);
    // In `await` form what cannot leave keeps the rank from nothing.
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const stuck = world.send(number, 1, MANY);
    for (let i = 0; i < 50; i++) {
      await world.recv(number, 1, GO);
      await world.send(number, 1, GO);
      await world.barrier();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    clearInterval(timer);
    assert(ticks > 0);
    world.sendSync(number, 1, GO);
    Request.waitAll(all);
    await stuck;
  } else {
    world.recvSync(number, 0, ONE);
    assert.equal(number[0], -1);
    world.recvSync(large, 0, LARGE);
    assert(large.every((byte) => byte === 7));
    world.barrierSync();
    for (let i = 0; i < 50; i++) {
      await world.send(number, 0, GO);
      await world.recv(number, 0, GO);
      await world.barrier();
    }
    world.recvSync(number, 0, GO);
    for (let i = 0; i < COUNT; i++) {
      world.recvSync(number, 0, MANY);
      assert.equal(number[0], i);
    }
    world.recvSync(number, 0, MANY);
  }
}

export default defineJob({
  ranks: [2],
  rdma: [[2, 'auto']],
  heavy: true,
  cases: { 'a message and a barrier behind 150000 messages that nobody receives': behind },
});
