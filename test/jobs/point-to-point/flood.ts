/** Rank 0 sends far more than rank 1 asks for: the sends wait, and rank 1's memory stays bounded. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MPI, Request } from '../../../runtime/index.ts';
import { UNEXPECTED_BYTES_MAX } from '../../../runtime/messaging/flow/credit.ts';
import { defineJob } from '../job.ts';
import { assert, scaled } from '../lib.ts';

const world = MPI.world;
const LENGTH = 8192;
const COUNT = scaled(20_000);
const NUMBERS = scaled(200_000);
const GO = 1;
const DATA = 2;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** Bytes that the rank holds. */
function held(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function flood(): void {
  if (world.rank === 0) {
    const bytes = new Uint8Array(LENGTH).fill(7);
    const requests = Array.from({ length: COUNT }, () => world.isend(bytes, 1, DATA));
    const go = world.isend(new Uint8Array(1), 1, GO);
    const reply = world.irecv(new Uint8Array(1), 1, GO);
    while (!reply.test());
    assert(!go.done || go.test());
    // Rank 1 took nothing of the data yet; only as much as its limit says may have left.
    const left = requests.filter((request) => request.done).length;
    assert(left > 0 && left * LENGTH <= UNEXPECTED_BYTES_MAX, `${left} messages left the sender`);
    world.sendSync(new Uint8Array(1), 1, GO);
    Request.waitAll(requests);
  } else {
    const before = held();
    world.recvSync(new Uint8Array(1), 0, GO);
    // Envelopes of all messages are here now, since the last one is.
    const grown = held() - before;
    const flood = COUNT * LENGTH;
    assert(grown < flood / 3, `${grown >> 20} MiB more for a flood of ${flood >> 20} MiB`);
    world.sendSync(new Uint8Array(1), 0, GO);
    world.recvSync(new Uint8Array(1), 0, GO);
    const got = new Uint8Array(LENGTH);
    for (let i = 0; i < COUNT; i++) {
      got.fill(0);
      assert.equal(world.recvSync(got, 0, DATA).byteLength, LENGTH);
      assert(got[0] === 7 && got[LENGTH - 1] === 7);
    }
  }
}

/** The sender waits in its ring, and nothing is lost. */
function floodOfOneThatComputes(): void {
  const number = new Int32Array(2);
  if (world.rank === 0)
    for (let i = 0; i < NUMBERS; i++) {
      number[0] = i;
      world.sendSync(number, 1, DATA);
    }
  else {
    const end = performance.now() + 200;
    while (performance.now() < end);
    for (let i = 0; i < NUMBERS; i++) {
      world.recvSync(number, 0, DATA);
      assert.equal(number[0], i);
    }
  }
}

export default defineJob({
  ranks: [2],
  // It looks at the memory of its process.
  alone: true,
  rdma: [[2, 'auto']],
  heavy: true,
  cases: {
    'a flood waits at its sender': flood,
    'a blocking flood against a rank that computes': floodOfOneThatComputes,
  },
});
