/**
 * A buffer moves to another owner, who writes to it, before its message is received: the receive gets the
 * message or fails. The other way round the receive fails, and nothing is written to who has the memory now.
 */
import { MPI } from '../../../runtime/index.ts';
import { defineJob, SINGLE_COPY } from '../job.ts';
import { assert, filled, rejects, verify } from '../lib.ts';

const world = MPI.world;
const { rank } = world;
const ALLOCATED = 'allocated';
const note = new Uint8Array(1);

const moved = (bytes: Uint8Array<ArrayBuffer>) =>
  new Uint8Array(structuredClone(bytes.buffer, { transfer: [bytes.buffer] }));

async function senderMoves(length: number, how: string): Promise<void> {
  if (rank === 0) {
    const bytes = how === ALLOCATED ? new Uint8Array(MPI.allocate(length)) : new Uint8Array(length);
    bytes.set(filled(length, 3));
    const request = world.isend(bytes, 1, 1);
    // Newer runtimes can move memory of MPI.allocate by this alone; older ones not at all.
    const { buffer } = bytes as { buffer: ArrayBuffer & { transfer?: () => ArrayBuffer } };
    if (how === ALLOCATED) new Uint8Array(buffer.transfer?.() ?? 0).fill(7);
    else moved(bytes).fill(7);
    await world.send(note, 1, 2);
    if (bytes.length === length || request.done) await request;
    else await rejects('ERR_BUFFER', request);
  } else {
    await world.recv(note, 0, 2);
    const got = new Uint8Array(length);
    const fails = world.recv(got, 0, 1).then(
      () => null,
      (error) => error,
    );
    const error = await fails;
    if (error === null) verify(got, 3, `${length} bytes, ${how}`);
    else assert.equal(error.code, 'ERR_BUFFER', error.message);
  }
}

async function receiverMoves(length: number): Promise<void> {
  if (rank === 0) {
    await world.recv(note, 1, 2);
    await world.send(filled(length, 4), 1, 1);
  } else {
    const bytes = new Uint8Array(length);
    const request = world.irecv(bytes, 0, 1);
    const other = moved(bytes);
    await world.send(note, 0, 2);
    await rejects('ERR_BUFFER', request);
    assert(other.every((byte) => byte === 0));
  }
}

async function toAnother(): Promise<void> {
  for (const length of [8, 3000, 16_384, 20_000, 40_000, 300_000, 8 * 2 ** 20])
    for (let round = 0; round < 6; round++) {
      await senderMoves(length, 'private');
      await senderMoves(length, ALLOCATED);
      await receiverMoves(length);
    }
}

/** Its next owner has dropped it as well: there is no such memory when the receiver looks for it. */
async function toNobody(): Promise<void> {
  const collect = globalThis.gc;
  assert(collect !== undefined, 'started without --expose-gc');
  for (let round = 0; round < 5; round++) {
    const length = 32 * 2 ** 20;
    if (rank === 0) {
      const bytes = new Uint8Array(length);
      const request = world.isend(bytes, 1, 1);
      moved(bytes);
      collect();
      await world.send(note, 1, 2);
      await rejects('ERR_BUFFER', request);
    } else {
      await world.recv(note, 0, 2);
      await rejects('ERR_BUFFER', world.recv(new Uint8Array(length), 0, 1));
    }
  }
}

async function toOneself(): Promise<void> {
  if (rank === 0)
    for (const length of [100_000, 2 ** 20]) {
      const bytes = filled(length, 5);
      const sent = world.isend(bytes, 0, 3);
      moved(bytes).fill(7);
      await rejects('ERR_BUFFER', world.recv(new Uint8Array(length), 0, 3));
      await rejects('ERR_BUFFER', sent);
    }
}

export default defineJob({
  ranks: [2],
  settings: SINGLE_COPY,
  nodeOptions: ['--expose-gc'],
  rdma: [],
  cases: {
    'buffers that move to another owner in mid-transfer': toAnother,
    'buffers that are gone when they are fetched': toNobody,
    "a buffer of a rank's message to itself": toOneself,
  },
});
