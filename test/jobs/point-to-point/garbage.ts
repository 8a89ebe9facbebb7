/**
 * Garbage collection under pressure in mid-transfer. Nothing but the operation holds a sender's buffer,
 * and everything that is freed is at once allocated again and overwritten. Needs --expose-gc.
 */
import { MPI, type Request } from '../../../runtime/index.ts';
import { defineJob, SINGLE_COPY } from '../job.ts';
import { assert, fill, verify } from '../lib.ts';

const world = MPI.world;
const collect = globalThis.gc as () => void;
const LENGTH = 3 * 2 ** 20;
const ROUNDS = 3;

function buffer(length: number, round: number): Uint8Array {
  return round % 3 === 0 ? new Uint8Array(MPI.allocate(length)) : new Uint8Array(length);
}

/** Collects, and takes whatever memory became free. */
function press(): void {
  collect();
  for (let i = 0; i < 4; i++) new Uint8Array(LENGTH).fill(0xee);
  for (let i = 0; i < 50; i++) new Uint8Array(1000).fill(0xee);
}

function start(round: number): Request[] {
  return [LENGTH, 30_000, 100].map((length, i) => {
    const bytes = buffer(length, round + i);
    fill(bytes, round * 10 + i);
    // Only a view of a view is passed, and nobody keeps it.
    return world.isend(new DataView(bytes.buffer, 0, length), 1, i);
  });
}

async function send(): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const requests = start(round);
    press();
    await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; !requests.every((request) => request.test()); turn++)
      if (turn % 50 === 0) press();
  }
}

async function receive(): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const views = [LENGTH, 30_000, 100].map((length, i) => buffer(length, round + 1 + i));
    const requests = views.map((view, i) => world.irecv(view, 0, i));
    for (let turn = 0; !requests.every((request) => request.test()); turn++)
      if (turn % 50 === 0) press();
    for (const [i, view] of views.entries()) verify(view, round * 10 + i, `round ${round}`);
    assert.equal((await requests[0]).byteLength, LENGTH);
  }
}

/** Many times more than there is at a time. */
async function allocateAndDrop(): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const bytes = new Uint8Array(MPI.allocate(2 ** 20));
    assert(bytes[0] === 0 && bytes[bytes.length - 1] === 0, 'memory comes with zeros');
    bytes.fill(i);
    if (i % 20 === 0) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

export default defineJob({
  ranks: [2],
  settings: SINGLE_COPY.slice(1),
  nodeOptions: ['--expose-gc'],
  rdma: [[2, 'get']],
  heavy: true,
  cases: {
    'the collector in mid-transfer': () => (world.rank === 0 ? send() : receive()),
    'what MPI.allocate gave is taken back by the collector': allocateAndDrop,
  },
});
