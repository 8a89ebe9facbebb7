/**
 * Messages of one tag, of random sizes on both sides of every threshold, never overtake each other.
 */
import { ANY_SOURCE, ANY_TAG, MPI, type Request, Status } from '../../../runtime/index.ts';
import { defineJob, SINGLE_COPY } from '../job.ts';
import { assert, filled, Random, scaled, verify } from '../lib.ts';

const MESSAGES = scaled(1500);
const WINDOW = 48;
type Habit = 'sync' | 'await' | 'start' | 'mixed';
const world = MPI.world;

function* lengths(seed: number): Generator<number> {
  const random = new Random(seed);
  const limits = [1, 64, 64, 600, 20_000, 20_000, 40_000, 140_000, 400_000];
  for (let i = 0; i < MESSAGES; i++) yield random.below(random.pick(limits));
}

/** Each message is in a memory of its own, some of it shared. */
function message(length: number, i: number): Uint8Array {
  if (length < 30_000 || i % 3) return filled(length, i);
  const bytes = new Uint8Array(MPI.allocate(length));
  bytes.set(filled(length, i));
  return bytes;
}

async function send(habit: Habit, seed: number): Promise<void> {
  const under: Request[] = [];
  let i = 0;
  for (const length of lengths(seed)) {
    const bytes = message(length, i);
    const how = habit === 'mixed' ? ['sync', 'await', 'start'][i % 3] : habit;
    if (how === 'sync') world.sendSync(bytes, 1, 7);
    else if (how === 'await') await world.send(bytes, 1, 7);
    else under.push(world.isend(bytes, 1, 7));
    if (under.length >= WINDOW) (under.shift() as Request).wait();
    i++;
  }
  await Promise.all(under);
}

interface Posted {
  request: Request;
  got: Uint8Array;
}

async function receive(habit: Habit, seed: number): Promise<void> {
  const posted: Posted[] = [];
  // More than are posted at a time: what was checked is used again.
  const buffers = Array.from({ length: WINDOW + 2 }, (_, i) =>
    i % 5 ? new Uint8Array(400_000) : new Uint8Array(MPI.allocate(400_000)),
  );
  const status = new Status();
  let i = 0;
  let checked = 0;
  const check = (brought: Status, got: Uint8Array, length: number) => {
    assert.equal(brought.byteLength, length, `message ${checked} overtook or was overtaken`);
    verify(got.subarray(0, length), checked, `message ${checked}`);
    checked++;
  };
  const ends = lengths(seed);
  for (const length of lengths(seed)) {
    const got = buffers[i % buffers.length];
    const source = i % 7 ? 0 : ANY_SOURCE;
    const tag = i % 11 ? 7 : ANY_TAG;
    const how = habit === 'mixed' ? ['sync', 'await'][i % 2] : habit;
    if (how === 'sync') check(world.recvSync(got, source, tag, status), got, length);
    else if (how === 'await') check(await world.recv(got, source, tag), got, length);
    else posted.push({ request: world.irecv(got, source, tag), got });
    if (posted.length >= WINDOW) {
      const first = posted.shift() as Posted;
      check(first.request.wait(), first.got, ends.next().value);
    }
    i++;
  }
  for (const { request, got } of posted) check(await request, got, ends.next().value);
  assert.equal(checked, MESSAGES);
}

const HABITS: readonly [sending: Habit, receiving: Habit][] = [
  ['sync', 'sync'],
  ['start', 'start'],
  ['await', 'await'],
  ['mixed', 'mixed'],
  ['mixed', 'start'],
  ['start', 'mixed'],
];

export default defineJob({
  ranks: [2],
  settings: SINGLE_COPY,
  rdma: [
    [2, 'get'],
    [2, 'put'],
  ],
  cases: Object.fromEntries(
    HABITS.map(([sending, receiving], seed) => [
      `messages never overtake each other, sent by ${sending}, received by ${receiving}`,
      () => (world.rank === 0 ? send(sending, seed) : receive(receiving, seed)),
    ]),
  ),
});
