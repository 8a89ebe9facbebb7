/** Ranks with a shared heap: what lies in large arrays is fetched from where it lies, whatever became of other arrays. */
import { addon } from '../../../native/addon.ts';
import { sharedHeap } from '../../../native/shared-heap.ts';
import { MPI } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, fill, filled, Random, scaled, verify } from '../lib.ts';
import { next, previous, rank, size, world } from '../ring.ts';
import { SHARED_HEAP_SETTINGS } from '../shared-heaps.ts';

const TAG = 3;
const KIB = 1024;

function liesInHeap(view: ArrayBufferView): boolean {
  const heap = sharedHeap();
  if (heap === null || typeof heap === 'string')
    return assert.fail(`no shared heap: ${heap ?? 'the rank was started without it'}`);
  const offset = addon().addressOf(view) - heap.base;
  return offset >= 0 && offset < heap.bytes;
}

/** Large messages that went in packets, so far. */
const copied = () => MPI.statistics().messages.shm?.received.copy ?? 0;

/** Passes bytes on to the next rank, and gets as many. */
async function pass(bytes: Uint8Array, into: Uint8Array): Promise<void> {
  await Promise.all([world.isend(bytes, next, TAG), world.irecv(into, previous, TAG)]);
}

const MEMORY: Readonly<Record<string, (length: number) => Uint8Array>> = {
  array: (length) => new Uint8Array(length),
  Buffer: (length) => Buffer.allocUnsafe(length),
  SharedArrayBuffer: (length) => new Uint8Array(new SharedArrayBuffer(length)),
  'part of a longer array': (length) =>
    new Uint8Array(new Float64Array(length).buffer, 3 * length + 8, length),
};

/** Both neighbours have made contact, and so map the heaps of both. */
async function meet(): Promise<void> {
  await pass(new Uint8Array(1), new Uint8Array(1));
  await Promise.all([
    world.isend(new Uint8Array(1), previous, TAG),
    world.irecv(new Uint8Array(1), next, TAG),
  ]);
  await world.barrier();
}

async function goesByTheHeap(make: (length: number) => Uint8Array): Promise<void> {
  await meet();
  const before = copied();
  for (const length of [64 * KIB, 100_001, 1024 * KIB, 3_000_000]) {
    const bytes = make(length);
    const into = make(length);
    assert(liesInHeap(bytes) && liesInHeap(into), `${length} bytes are elsewhere`);
    fill(bytes, rank + length);
    await pass(bytes, into);
    verify(into, previous + length, `${length} bytes`);
  }
  // No other way is open to memory that is not shared (DREG_SINGLE_COPY).
  if (size > 1) assert.equal(copied(), before);
}

/** One end has its bytes in the heap, the other does not. */
async function mixed(): Promise<void> {
  await meet();
  const before = copied();
  const short = filled(40 * KIB, rank);
  assert(!liesInHeap(short), 'a short array lies in the heap');
  const into = new Uint8Array(128 * KIB).subarray(0, 40 * KIB);
  await pass(short, into);
  verify(into, previous, 'from short to long');
  if (size > 1) assert.equal(copied(), before + 1);
  const long = new Uint8Array(128 * KIB).subarray(9, 9 + 40 * KIB);
  fill(long, rank);
  await pass(long, short);
  verify(short, previous, 'from long to short');
  if (size > 1) assert.equal(copied(), before + 1);
}

/** Arrays of any size, dropped at any time: what was given back and what is used anew is never taken for another. */
async function churn(): Promise<void> {
  await meet();
  const random = new Random(rank + 1);
  const kept: Uint8Array[] = [];
  const any = (most: number) => 1 + random.below(most);
  for (let round = 0; round < scaled(60); round++) {
    // The same length for all ranks.
    const length = 20 * KIB + ((round * 7919 * KIB) % (1500 * KIB));
    const bytes = filled(length, rank + round);
    const into = new Uint8Array(length);
    const under = pass(bytes, into);
    for (let i = 0; i < 8; i++) kept[any(16)] = new Uint8Array(any(1024 * KIB)).fill(round);
    if (round % 7 === 0) addon().collectGarbage();
    await under;
    verify(into, previous + round, `round ${round}`);
    verify(bytes, rank + round, `what was sent in round ${round}`);
  }
}

/** The memory of a message goes away before it has been received. */
async function takenAway(): Promise<void> {
  await meet();
  if (size === 1) return;
  const bytes = filled(256 * KIB, rank);
  const sent = world.isend(bytes, next, TAG);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  const others = Array.from({ length: 8 }, () => new Uint8Array(256 * KIB).fill(255));
  await world.barrier();
  const ended = await Promise.allSettled([
    world.recv(new Uint8Array(256 * KIB), previous, TAG),
    sent,
  ]);
  assert(others.every((other) => other[1000] === 255));
  // What has been read of another array is never taken for the message.
  for (const end of ended) {
    assert(end.status === 'rejected');
    assert.equal(end.reason.code, 'ERR_BUFFER');
  }
  await world.barrier();
}

export default defineJob({
  ranks: [1, 2, 5],
  settings: [SHARED_HEAP_SETTINGS],
  rdma: [],
  cases: {
    ...Object.fromEntries(
      Object.entries(MEMORY).map(([name, make]) => [name, () => goesByTheHeap(make)]),
    ),
    'from short arrays and into them': mixed,
    'arrays that come and go': churn,
    'memory that is taken away': takenAway,
  },
});
