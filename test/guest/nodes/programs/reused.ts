/**
 * Messages from and into memory that gets other pages behind the same address between two of them, at
 * the sender, at the receiver, or at both; DREG_RNDV says how they go. Claims `new bytes: …`.
 */
import { MPI } from '../../../../runtime/index.ts';
import { assert } from '../../../jobs/lib.ts';
import { bytesAt, map } from '../../../tools/native/helpers.ts';

const LENGTH = 512 * 1024;
const ROUNDS = 4;
const { world } = MPI;
const way = process.env.DREG_RNDV as 'get' | 'put';
const address = map(LENGTH);
/** The same ArrayBuffer all the time: it is found by its identity. */
const same = bytesAt(address, LENGTH);
let value = 1;

/** Rank 0 sends a new value from the address, rank 1 receives it there. */
function pass(view: Uint8Array): boolean {
  value += 1;
  if (world.rank === 0) {
    world.sendSync(view.fill(value), 1);
    return true;
  }
  world.recvSync(view.fill(0), 0);
  return view.every((byte) => byte === value);
}

for (const who of ['the sender', 'the receiver', 'both'] as const) {
  const concerned = who === 'both' || (who === 'the sender') === (world.rank === 0);
  for (const identity of [true, false]) {
    let right = true;
    for (let round = 0; round < ROUNDS; round++) {
      const view = () => (identity ? same : bytesAt(address, LENGTH));
      right = pass(view()) && right;
      if (concerned) map(LENGTH, { address });
      right = pass(view()) && right;
    }
    // Rank 1 has seen what came; both say it.
    const verdict = Int32Array.of(right ? 1 : 0);
    if (world.rank === 1) world.sendSync(verdict, 0);
    else world.recvSync(verdict, 1);
    const buffers = identity ? 'the same ArrayBuffer' : 'other ArrayBuffers';
    const name = `new bytes: ${way}: memory of ${who} replaced, ${buffers}`;
    process.stdout.write(`${verdict[0] === 1 ? 'ok' : 'not ok'} - ${name}\n`);
  }
}
const { messages, memory } = MPI.statistics();
const counts = messages.verbs[world.rank === 0 ? 'sent' : 'received'];
assert.equal(counts[way], ROUNDS * 2 * 6, JSON.stringify(counts));
assert(memory !== null && memory.monitor === 'dreg');
assert(memory.hitsIdentity + memory.hitsAddress > 0, 'nothing was cached');
