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

/** What waits at its sender for credit is seen by every kind of probe. */
function probed(): void {
  if (world.rank === 0) {
    const sends = Array.from({ length: COUNT }, () => world.isend(new Uint8Array(1), 1, MANY));
    for (const tag of [ONE, LARGE, GO]) sends.push(world.isend(Uint8Array.of(tag), 1, tag));
    world.barrierSync();
    Request.waitAll(sends);
    return;
  }
  world.barrierSync();
  const got = new Uint8Array(1);
  while (world.iprobe(0, ONE) === null);
  assert.equal(world.probeSync(0, LARGE).byteLength, 1);
  const message = world.mprobeSync(0, GO);
  for (const tag of [LARGE, ONE]) {
    world.recvSync(got, 0, tag);
    assert.equal(got[0], tag);
  }
  for (let i = 0; i < COUNT; i++) world.recvSync(got, 0, MANY);
  assert.deepEqual([...message.takeSync(Uint8Array)], [GO]);
}

export default defineJob({
  ranks: [2],
  rdma: [[2, 'auto']],
  heavy: true,
  cases: {
    'a message and a barrier behind 150000 messages that nobody receives': behind,
    'probes see what is behind them, too': probed,
  },
});
