/** Messages go on where a test framework has replaced timers and clocks by some that stand still. */
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { MPI } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, filled, verify } from '../lib.ts';

/** In the middle size is sent without being asked for, the largest by rendezvous. */
const SIZES = [1, 10_000, 1_000_000];
const { world } = MPI;
const other = 1 - world.rank;

async function underFakes(): Promise<void> {
  const never = () => ({ ref() {}, unref() {}, hasRef: () => true });
  const still = Object.assign(() => 0, { now: () => 0, bigint: () => 0n });
  const fakes = {
    setImmediate: never,
    setTimeout: never,
    setInterval: never,
    clearImmediate() {},
    queueMicrotask() {},
  };
  const timers = createRequire(import.meta.url)('node:timers');
  Object.assign(globalThis, fakes, { Date: still });
  Object.assign(timers, fakes);
  Object.assign(performance, { now: () => 0 });
  Object.assign(process, { nextTick() {}, hrtime: still });
  syncBuiltinESMExports();

  await world.barrier();
  for (const [seed, size] of SIZES.entries()) {
    const got = new Uint8Array(size);
    const sent = filled(size, seed);
    if (world.rank === 0) await world.send(sent, other);
    else await world.recv(got, other);
    if (world.rank === 0) await world.recv(got, other);
    else await world.send(sent, other);
    verify(got, seed, `${size} bytes`);
    await world.sendrecv(sent, other, 1, got, other, 1);
  }
  // Blocked as well, with the clock that stands still.
  if (world.rank === 0) world.sendSync(new Uint8Array(8), other);
  else assert.equal(world.recvSync(new Uint8Array(8), other).byteLength, 8);
}

export default defineJob({
  ranks: [2],
  settings: [{}, { DREG_SPIN_POLLS: '0' }],
  alone: true,
  rdma: [],
  cases: { 'messages go on under fake timers': underFakes },
});
