/**
 * Small messages on the blocking path cost no object. Needs --expose-gc, and a young generation that is
 * never collected meanwhile (--max-semi-space-size): then whatever is allocated shows.
 */
import { MPI, Status } from '../../../../runtime/index.ts';
import { assert, sayOk } from '../../lib.ts';

const MESSAGES = 1_000_000;
/**
 * Half a byte a message, where the smallest object of V8 takes 12. Not 0: what a rank allocates when it
 * falls asleep or wakes is not a message's, and on a machine with much else to do that is often.
 */
const LIMIT = MESSAGES / 2;
const world = MPI.world;
const collect = globalThis.gc as () => void;
const other = 1 - world.rank;
const status = new Status();
const number = new Float64Array(1);
const block = new Uint8Array(1024);

function exchange(messages: number): void {
  for (let i = 0; i < messages; i += 2) {
    const buffer = i % 10 ? number : block;
    if (world.rank === 0) world.sendSync(buffer, other, i);
    world.recvSync(buffer, other, i, status);
    if (world.rank === 1) world.sendSync(buffer, other, i);
  }
}

// The collector throws optimized code away; compiling it again is not what is measured.
collect();
exchange(400_000);
let least = Number.POSITIVE_INFINITY;
for (let round = 0; round < 3; round++) {
  const before = process.memoryUsage().heapUsed;
  exchange(MESSAGES);
  // The compiler may work late in one round; what a message allocates shows in every round.
  least = Math.min(least, process.memoryUsage().heapUsed - before);
}
assert(least < LIMIT, `the heap of rank ${world.rank} grew by ${least} bytes`);
world.barrierSync();
sayOk();
