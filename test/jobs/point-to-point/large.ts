/** 2 GiB and one byte. argv: whether its memory is MPI.allocate's. */
import { MPI } from '../../../runtime/index.ts';
import { assert, sayOk } from '../lib.ts';

const LENGTH = 2 ** 31 + 1;
const STRIDE = 1_000_003;
const world = MPI.world;
const shared = process.argv[2] === 'shared';
const bytes = new Uint8Array(shared ? MPI.allocate(LENGTH) : new ArrayBuffer(LENGTH));
const marks = () => ({
  *[Symbol.iterator]() {
    for (let at = 0; at < LENGTH; at += STRIDE) yield at;
    yield* [2 ** 31 - 1, 2 ** 31];
  },
});
const markOf = (at: number) => (at % 251) + 1;

if (world.rank === 0) {
  for (const at of marks()) bytes[at] = markOf(at);
  if (process.argv[3] === 'await') await world.send(bytes, 1);
  else world.sendSync(bytes, 1);
} else {
  const status =
    process.argv[3] === 'await' ? await world.recv(bytes, 0) : world.recvSync(bytes, 0);
  assert.equal(status.byteLength, LENGTH);
  assert.equal(status.count(Uint8Array), LENGTH);
  assert.equal(status.count(2), undefined);
  for (const at of marks()) assert.equal(bytes[at], markOf(at), `byte ${at}`);
}
sayOk();
