/** 2 GiB and one byte, a length that does not fit into 31 bits. Each rank holds 2 GiB. */
import { MPI } from '../../../runtime/index.ts';
import { defineJob, SINGLE_COPY } from '../job.ts';
import { assert } from '../lib.ts';

const LENGTH = 2 ** 31 + 1;
const STRIDE = 1_000_003;
const world = MPI.world;
/** From memory of MPI.allocate, from own memory awaited, and from own memory blocking. */
const how = process.env.DREG_SINGLE_COPY ?? 'auto';
const awaits = how === 'always';
const marks = () => ({
  *[Symbol.iterator]() {
    for (let at = 0; at < LENGTH; at += STRIDE) yield at;
    yield* [2 ** 31 - 1, 2 ** 31];
  },
});
const markOf = (at: number) => (at % 251) + 1;

async function pass(): Promise<void> {
  const bytes = new Uint8Array(how === 'auto' ? MPI.allocate(LENGTH) : new ArrayBuffer(LENGTH));
  if (world.rank === 0) {
    for (const at of marks()) bytes[at] = markOf(at);
    if (awaits) await world.send(bytes, 1);
    else world.sendSync(bytes, 1);
  } else {
    const status = awaits ? await world.recv(bytes, 0) : world.recvSync(bytes, 0);
    assert.equal(status.byteLength, LENGTH);
    assert.equal(status.count(Uint8Array), LENGTH);
    assert.equal(status.count(2), undefined);
    for (const at of marks()) assert.equal(bytes[at], markOf(at), `byte ${at}`);
  }
}

export default defineJob({
  ranks: [2],
  settings: SINGLE_COPY,
  // 4 GiB at one time are enough.
  alone: true,
  rdma: [],
  cases: { '2 GiB and one byte': pass },
});
