/**
 * Lengths next to every threshold, between memories of both kinds, at odd offsets: all bytes arrive and
 * none beside them is written.
 */
import { MPI } from '../../../runtime/index.ts';
import { defineJob, SINGLE_COPY } from '../job.ts';
import { assert, fill, Guarded, scaled, verify } from '../lib.ts';

const world = MPI.world;
const K = 1024;
const EDGES = [0, 12, 48, 64, 4 * K, 16 * K, 32 * K, 64 * K, 128 * K, 192 * K, K * K].filter(
  (edge) => edge <= scaled(K * K),
);
const LENGTHS = [...new Set(EDGES.flatMap((edge) => [edge - 1, edge, edge + 1]))].filter(
  (length) => length >= 0,
);

async function thresholds(): Promise<void> {
  for (const fromShared of [false, true])
    for (const toShared of [false, true])
      for (const offset of [0, 3])
        for (const [seed, length] of LENGTHS.entries()) {
          const what = `${length} bytes from ${fromShared} to ${toShared} at ${offset}`;
          if (world.rank === 0) {
            const sent = new Guarded(length, fromShared, offset);
            fill(sent.view, seed);
            if (seed % 2) world.sendSync(sent.view, 1, seed);
            else await world.send(sent.view, 1, seed);
            verify(sent.view, seed, `${what}, at the sender`);
            sent.check(what);
            continue;
          }
          // A larger buffer than the message: behind the message nothing is written either.
          const got = new Guarded(length + (seed % 3) * 50, toShared, (offset * 7) % 5);
          const status =
            seed % 4 < 2 ? world.recvSync(got.view, 0, seed) : await world.recv(got.view, 0, seed);
          assert.equal(status.byteLength, length);
          verify(got.view.subarray(0, length), seed, what);
          assert(
            got.view.subarray(length).every((byte) => byte === 0xa5),
            `${what}: behind the message`,
          );
          got.check(what);
        }
}

export default defineJob({
  ranks: [2],
  settings: SINGLE_COPY,
  rdma: [
    [2, 'copy'],
    [2, 'put'],
  ],
  cases: { 'lengths next to every threshold': thresholds },
});
