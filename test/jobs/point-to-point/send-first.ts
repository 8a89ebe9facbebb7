/** Both ranks send very many small messages first, and receive then. Word: sync or await. */
import { MPI } from '../../../runtime/index.ts';
import { UNEXPECTED_MESSAGES_MAX } from '../../../runtime/messaging/flow/credit.ts';
import { assert, sayOk, scaled } from '../lib.ts';

const world = MPI.world;
const waits = process.argv[2] === 'await';
const other = 1 - world.rank;
const number = new Int32Array(1);
// All that there is room for, and no more: the next one may wait for its receive.
const COUNT = Math.min(UNEXPECTED_MESSAGES_MAX, scaled(UNEXPECTED_MESSAGES_MAX));
assert(UNEXPECTED_MESSAGES_MAX >= 100_000);

for (let i = 0; i < COUNT; i++) {
  number[0] = i;
  if (waits) await world.send(number, other);
  else world.sendSync(number, other);
}
for (let i = 0; i < COUNT; i++) {
  number[0] = -1;
  if (waits) await world.recv(number, other);
  else world.recvSync(number, other);
  assert.equal(number[0], i);
}
sayOk();
