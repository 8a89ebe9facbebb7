/** A message larger than its buffer: an error that names both sizes, and both sides go on. */
import { MPI, type MpiError } from '../../../runtime/index.ts';
import { defineJob, SINGLE_COPY } from '../job.ts';
import { assert, filled, Guarded, rejects, throws, verify } from '../lib.ts';

const world = MPI.world;
const PAIRS = [
  [1, 0],
  [48, 47],
  [100, 10],
  [16_384, 100],
  [16_385, 16_384],
  [40_000, 39_999],
  [300_000, 20_000],
  [1_000_000, 999_999],
  [1_000_000, 0],
];

async function receive(length: number, room: number, how: number, toShared: boolean) {
  const what = `${length} bytes into ${room}, way ${how}`;
  const got = new Guarded(room, toShared);
  // Ways 0 and 1 are posted before the message comes, 2 and 3 after.
  const early = how < 2 ? world.irecv(got.view, 0, 1) : null;
  world.barrierSync();
  // Behind this one the message has come as well.
  world.recvSync(new Uint8Array(1), 0, 2);
  let error: MpiError;
  if (early === null)
    error =
      how === 2
        ? throws('ERR_TRUNCATE', () => world.recvSync(got.view, 0, 1))
        : await rejects('ERR_TRUNCATE', world.recv(got.view, 0, 1));
  else
    error =
      how === 0 ? throws('ERR_TRUNCATE', () => early.wait()) : await rejects('ERR_TRUNCATE', early);
  assert.match(error.message, new RegExp(`\\b${length}\\b.*\\b${room}\\b`));
  assert.equal(error.peer, 0);
  got.checkUntouched(what);
  const after = new Uint8Array(length);
  world.recvSync(after, 0, 1);
  verify(after, length, `after ${what}`);
}

async function truncation(): Promise<void> {
  for (const [length, room] of PAIRS)
    for (const how of [0, 1, 2, 3])
      for (const shared of [false, true]) {
        if (world.rank === 1) {
          await receive(length, room, how, shared);
          continue;
        }
        const bytes = shared ? new Uint8Array(MPI.allocate(length)) : new Uint8Array(length);
        bytes.set(filled(length, length));
        world.barrierSync();
        const first = world.isend(bytes, 1, 1);
        world.sendSync(new Uint8Array(1), 1, 2);
        const second = world.isend(bytes, 1, 1);
        await first;
        second.wait();
      }
}

function polledFor(): void {
  for (const length of [8, 100, 16_384]) {
    if (world.rank === 0) {
      world.recvSync(new Uint8Array(1), 1);
      world.sendSync(new Uint8Array(length), 1, 3);
    } else {
      world.sendSync(new Uint8Array(1), 0);
      const got = new Guarded(length - 1);
      throws('ERR_TRUNCATE', () => world.recvSync(got.view, 0, 3));
      got.checkUntouched(`${length} bytes, polled for`);
    }
  }
}

export default defineJob({
  ranks: [2],
  settings: SINGLE_COPY,
  rdma: [[2, 'get']],
  heavy: true,
  cases: {
    'a message larger than its buffer': truncation,
    'a blocking receive that polls for a message larger than its buffer': polledFor,
  },
});
