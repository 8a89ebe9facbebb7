/** Programs take buffers away in mid-transfer: ERR_BUFFER, no crash, and both sides go on. */
import { MPI } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, filled, rejects, scaled, throws, verify } from '../lib.ts';

const world = MPI.world;
const LARGE = Math.max(16 * 2 ** 20, scaled(64 * 2 ** 20));
const detach = (bytes: Uint8Array<ArrayBuffer>) =>
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });

async function goOn(tag: number): Promise<void> {
  const other = 1 - world.rank;
  for (const length of [8, 100_000]) {
    const got = new Uint8Array(length);
    await world.sendrecv(filled(length, tag), other, tag, got, other, tag);
    verify(got, tag, `after ${tag}`);
  }
}

/** The sender's buffer goes while its bytes are on their way. */
async function senderDetaches(): Promise<void> {
  if (world.rank === 0) {
    const bytes = filled(LARGE, 1);
    const request = world.isend(bytes, 1, 1);
    // The receiver says that it has begun.
    const begun = world.irecv(new Uint8Array(1), 1, 2);
    while (!begun.test());
    if (request.done) throw new Error('the transfer was over at once: the test shows nothing');
    detach(bytes);
    await rejects('ERR_BUFFER', request);
  } else {
    const got = new Uint8Array(LARGE);
    const request = world.irecv(got, 0, 1);
    while (got[0] === 0 && got[1] === 0) request.test();
    world.sendSync(new Uint8Array(1), 0, 2);
    await rejects('ERR_BUFFER', request);
  }
  await goOn(10);
}

/** The receiver's buffer goes while bytes come; the sender need not care. */
async function receiverDetaches(): Promise<void> {
  if (world.rank === 0) await world.send(filled(LARGE, 1), 1, 1);
  else {
    const got = new Uint8Array(LARGE);
    const request = world.irecv(got, 0, 1);
    while (got[0] === 0 && got[1] === 0) request.test();
    detach(got);
    assert(!request.done, 'the transfer was over at once: the test shows nothing');
    const error = throws('ERR_BUFFER', () => request.wait());
    assert.equal(error.peer, 0);
  }
  await goOn(11);
}

/** Buffers that are gone before anything could be sent or received. */
async function goneBefore(length: number): Promise<void> {
  if (world.rank === 1) {
    const got = new Uint8Array(length);
    const request = world.irecv(got, 0, 1);
    detach(got);
    world.barrierSync();
    await rejects('ERR_BUFFER', request);
  } else {
    world.barrierSync();
    await world.send(new Uint8Array(length), 1, 1);
  }
  await goOn(12);
}

/** Sends that wait for room, their buffers gone meanwhile: the others arrive. */
async function goneInQueue(): Promise<void> {
  const count = 400;
  if (world.rank === 0) {
    const buffers = Array.from({ length: count }, (_, i) => filled(9000, i));
    const requests = buffers.map((bytes, i) => world.isend(bytes, 1, i));
    const lost = buffers.length - 1;
    assert(!requests[lost].done, 'there was room for all: the test shows nothing');
    detach(buffers[lost]);
    world.isend(new Uint8Array(1), 1, count);
    world.barrierSync();
    await rejects('ERR_BUFFER', requests[lost]);
    await Promise.all(requests.slice(0, lost));
  } else {
    world.barrierSync();
    const got = new Uint8Array(9000);
    for (let i = 0; i < count - 1; i++) {
      await world.recv(got, 0, i);
      verify(got, i, `message ${i}`);
    }
    await world.recv(got, 0, count);
  }
  await goOn(13);
}

/** A resizable buffer shrinks under its operation. */
async function shrinks(): Promise<void> {
  const resizable = new ArrayBuffer(LARGE, { maxByteLength: LARGE });
  const bytes = new Uint8Array(resizable, 0, LARGE);
  if (world.rank === 0) await world.send(filled(LARGE, 1), 1, 1);
  else {
    const request = world.irecv(bytes, 0, 1);
    while (bytes[0] === 0 && bytes[1] === 0) request.test();
    resizable.resize(LARGE / 2);
    await rejects('ERR_BUFFER', request);
  }
  await goOn(14);
}

export default defineJob({
  ranks: [2],
  settings: [{ DREG_SINGLE_COPY: 'never' }],
  rdma: [[2, 'put']],
  heavy: true,
  cases: {
    "the sender's buffer goes in mid-transfer": senderDetaches,
    "the receiver's buffer goes in mid-transfer": receiverDetaches,
    async 'buffers are gone before anything could be sent'() {
      for (const length of [8, 10_000, 100_000, LARGE]) await goneBefore(length);
    },
    'a buffer goes while its send waits for room': goneInQueue,
    'a resizable buffer shrinks in mid-transfer': shrinks,
  },
});
