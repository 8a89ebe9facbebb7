/** Many messages that nobody asked for, taken in the reverse order of their tags. */
import { ANY_SOURCE, ANY_TAG, MPI, Request, Status } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, filled, scaled, verify } from '../lib.ts';

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

/** Bodies in slots of all sizes and in arrays of their own, into more room than they need. */
function sizes(): void {
  const most = 200;
  if (world.rank === 0) {
    for (let length = 1; length <= most; length++)
      world.sendSync(filled(length, length), 1, length);
    world.sendSync(new Uint8Array(1), 1, 0);
    return;
  }
  world.recvSync(new Uint8Array(1), 0, 0);
  const status = new Status();
  for (let i = 0; i < most; i++) {
    const length = ((i * 77) % most) + 1;
    const got = new Uint8Array(length + 9);
    world.recvSync(got, 0, length, status);
    assert.deepEqual([status.source, status.tag, status.byteLength], [0, length, length]);
    verify(got.subarray(0, length), length, `${length} bytes`);
    assert.deepEqual(got.subarray(length), new Uint8Array(9));
  }
}

export default defineJob({
  ranks: [2],
  rdma: [[2, 'auto']],
  cases: {
    'bodies of 1 to 200 bytes that nobody asked for': sizes,
    '100000 messages of no bytes that nobody asked for': () => unexpected(0),
    '100000 messages of 8 bytes that nobody asked for': () => unexpected(8),
  },
});
