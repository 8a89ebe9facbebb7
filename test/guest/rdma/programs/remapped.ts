/**
 * Between two messages a buffer's memory goes, and other memory comes to its address. argv: whose it
 * is, sender or receiver.
 */
import { MPI } from '../../../../runtime/index.ts';
import { assert, sayOk } from '../../../jobs/lib.ts';
import { fill, verify } from '../../../tools/bytes.ts';
import { helpers, map } from '../../../tools/native/helpers.ts';

const LENGTH = 300_000;
const ROUNDS = 5;
const way = process.env.DREG_RNDV as 'get' | 'put';
const world = MPI.world;
const changes = world.rank === (process.argv[2] === 'sender' ? 0 : 1);
const address = map(LENGTH);
const bytes = new Uint8Array(helpers().view(address, LENGTH));

for (let round = 0; round < ROUNDS; round++) {
  if (changes && round > 0) map(LENGTH, { address });
  if (world.rank === 0) {
    fill(bytes, round);
    world.sendSync(bytes, 1);
  } else {
    bytes.fill(0);
    world.recvSync(bytes, 0);
    verify(bytes, round, `message ${round}`);
  }
}
const { messages, memory } = MPI.statistics();
const { sent, received } = messages.verbs;
assert.equal((world.rank === 0 ? sent : received)[way], ROUNDS, `not all messages went by ${way}`);
assert.equal(memory?.monitor, 'dreg');
sayOk();
