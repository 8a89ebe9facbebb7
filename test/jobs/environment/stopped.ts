/** Two ranks that a third one stops and lets go on again and again, in the midst of large messages: each arrives. */
import { MPI } from '../../../runtime/index.ts';
import { defineJob, SINGLE_COPY } from '../job.ts';
import { assert, filled, Random } from '../lib.ts';
import { rank, world } from '../ring.ts';
import { stateOf, TRANSFERS } from '../transfers.ts';

const BYTES = 8 * 2 ** 20;
const MESSAGES = 4;
const CONDUCTOR = 2;
const contents = filled(BYTES, 1);
const random = new Random(3);

/** Uses the processor for a while, as long as it takes to copy a part of a message. */
function dawdle(): void {
  for (let looks = random.below(100); looks > 0; looks--) stateOf(process.pid);
}

/** Until both have said that they are done. */
function conduct(): void {
  const pids = new Int32Array(2);
  for (const one of [0, 1]) world.recvSync(pids.subarray(one, one + 1), one, 7);
  const done = [0, 1].map((one) => world.irecv(new Uint8Array(1), one, 8));
  for (const one of [0, 1]) world.sendSync(new Uint8Array(1), one, 7);
  while (!done.every((each) => each.test())) {
    dawdle();
    const pid = pids[random.below(2)];
    process.kill(pid, 'SIGSTOP');
    while (stateOf(pid) !== 'T');
    dawdle();
    process.kill(pid, 'SIGCONT');
  }
}

async function disturbed(name: string, memory: Uint8Array): Promise<void> {
  if (rank === CONDUCTOR) return conduct();
  const { send, receive } = TRANSFERS[name];
  world.sendSync(Int32Array.of(process.pid), CONDUCTOR, 7);
  world.recvSync(new Uint8Array(1), CONDUCTOR, 7);
  if (rank === 0) memory.set(contents);
  for (let i = 0; i < MESSAGES; i++) {
    if (rank === 0) await send(memory);
    else {
      memory.fill(0);
      await receive(memory);
      assert(Buffer.compare(memory, contents) === 0, `${name}: other bytes arrived`);
    }
  }
  world.sendSync(new Uint8Array(1), CONDUCTOR, 8);
}

const cases: Record<string, () => Promise<void>> = {};
for (const [what, memory] of [
  ['own', new Uint8Array(BYTES)],
  ['shared', new Uint8Array(MPI.allocate(BYTES))],
] as const)
  for (const name of Object.keys(TRANSFERS))
    cases[`${name}, of ${what} memory`] = () => disturbed(name, memory);

export default defineJob({ ranks: [3], settings: SINGLE_COPY.slice(1), rdma: [], cases });
