/**
 * Small messages on the blocking path cost no object. Needs --expose-gc, and a young generation that is
 * seldom collected meanwhile (--max-semi-space-size): then whatever is allocated shows.
 */
import { MPI, Status } from '../../../../runtime/index.ts';
import { assert, sayOk } from '../../lib.ts';

/**
 * What a rank allocates when it falls asleep or wakes, and what the compiler does late, is not a message's: it
 * shows in many rounds where the machine has much else to do, and not in the best of them. A round takes
 * less time than a scheduler leaves a process alone.
 */
const ROUNDS = 100;
const MESSAGES = 10_000;
/** Half a byte a message, where the smallest object of V8 takes 12. */
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
for (let round = 0; round < ROUNDS; round++) {
  const before = process.memoryUsage().heapUsed;
  exchange(MESSAGES);
  const grown = process.memoryUsage().heapUsed - before;
  // Something was collected: what was allocated does not show.
  if (grown >= 0) least = Math.min(least, grown);
}
assert(least < LIMIT, `the heap of rank ${world.rank} grew by ${least} bytes`);
world.barrierSync();
sayOk();
