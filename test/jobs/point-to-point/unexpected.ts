/** Many messages that nobody asked for, taken in the reverse order of their tags. */
import { ANY_SOURCE, ANY_TAG, MPI, Request, Status } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, scaled } from '../lib.ts';

const COUNT = scaled(100_000);
const world = MPI.world;
function unexpected(length: number): void {
  if (world.rank === 0) {
    const requests: Request[] = [];
    for (let i = 0; i < COUNT; i++) {
      const bytes = new Uint8Array(length);
      if (length >= 4) new DataView(bytes.buffer).setInt32(0, i);
      requests.push(world.isend(bytes, 1, i));
    }
    Request.waitAll(requests);
  } else {
    const got = new Uint8Array(length);
    const view = new DataView(got.buffer);
    const status = new Status();
    for (let i = COUNT - 1; i >= 0; i--) {
      world.recvSync(got, i % 3 ? 0 : ANY_SOURCE, i < 100 ? ANY_TAG : i, status);
      // The last hundred come in the order of their sending.
      const tag = i < 100 ? 99 - i : i;
      assert.equal(status.tag, tag);
      assert.equal(status.byteLength, length);
      if (length >= 4) assert.equal(view.getInt32(0), tag);
    }
  }
}

export default defineJob({
  ranks: [2],
  rdma: [[2, 'auto']],
  cases: {
    '100000 messages of no bytes that nobody asked for': () => unexpected(0),
    '100000 messages of 8 bytes that nobody asked for': () => unexpected(8),
  },
});
