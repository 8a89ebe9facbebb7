/**
 * `soak MESSAGES`: messages of random mode, size and kind of receive among all ranks, each payload checked; what is in
 * use at the end is what was in use before.
 */
import { ANY_SOURCE, ANY_TAG, type Message, MPI, Request } from '../../../../runtime/index.ts';
import { assert, fill, Random, sayOk, verify } from '../../lib.ts';
import { inUse } from './in-use.ts';

const { world } = MPI;
const { rank, size } = world;
const MESSAGES = Number(process.argv[2]);
const ROUND = 200;
const LENGTHS = [8, 8, 8, 40, 48, 49, 200, 1000, 4096, 9000];
const LARGE = [16_385, 40_000, 300_000];
const TAGS = 4;
/** What stays in use at most: caches and pools that a first round has not filled. */
const GROWTH_MAX = 4 * 2 ** 20;

interface Planned {
  from: number;
  to: number;
  tag: number;
  length: number;
  mode: number;
  seed: number;
}

function planned(random: Random): Planned[] {
  return Array.from({ length: ROUND }, () => ({
    from: random.below(size),
    to: random.below(size),
    tag: random.below(TAGS),
    length: random.pick(random.chance(0.02) ? LARGE : LENGTHS),
    mode: random.below(3),
    seed: random.below(1e6),
  }));
}

/** A message says by its first bytes what the others are. */
function contents({ length, seed }: Planned): Uint8Array {
  const bytes = new Uint8Array(length);
  fill(bytes.subarray(8), seed);
  new DataView(bytes.buffer).setUint32(0, seed);
  new DataView(bytes.buffer).setUint32(4, length);
  return bytes;
}

function check(bytes: Uint8Array, length: number): void {
  const head = new DataView(bytes.buffer, bytes.byteOffset);
  assert.equal(head.getUint32(4), length);
  verify(bytes.subarray(8, length), head.getUint32(0), 'a message');
}

function send(one: Planned): Request | null {
  const { to, tag, mode } = one;
  const bytes = contents(one);
  if (mode === 0) return world.isend(bytes, to, tag);
  if (mode === 1) return world.issend(bytes, to, tag);
  world.bsend(bytes, to, tag);
  return null;
}

const room = new Uint8Array(Math.max(...LARGE));

/** One message that fits, by one of the calls. */
async function take(how: number, source: number, tag: number): Promise<void> {
  if (how === 0) check(room, world.recvSync(room, source, tag).byteLength);
  else if (how === 1) check(room, (await world.recv(room, source, tag)).byteLength);
  else if (how === 2) await claimed(world.mprobeSync(source, tag));
  else if (how === 3) await claimed(await world.mprobe(source, tag));
  else {
    const { byteLength } = world.probeSync(source, tag);
    const request = world.irecv(room, source, tag);
    check(room, request.wait().byteLength);
    if (source !== ANY_SOURCE && tag !== ANY_TAG)
      assert.equal(request.status.byteLength, byteLength);
  }
}

async function claimed(message: Message): Promise<void> {
  const bytes = await message.take(Uint8Array);
  check(bytes, message.byteLength);
}

async function round(number: number): Promise<void> {
  const plan = planned(new Random(number));
  // Of this rank alone: wildcards of one kind, so that no receive takes what another one needs.
  const random = new Random(number * size + rank);
  const [anySource, anyTag] = [random.chance(0.5), random.chance(0.5)];
  const sends = plan.filter(({ from }) => from === rank).map(send);
  for (const { from, tag } of plan.filter(({ to }) => to === rank))
    await take(random.below(5), anySource ? ANY_SOURCE : from, anyTag ? ANY_TAG : tag);
  if (random.chance(0.5)) Request.waitAll(sends);
  else await Request.all(sends);
  if (number % 50 === 0) await world.flushBuffer();
  await world.barrier();
}

const rounds = Math.ceil(MESSAGES / ROUND);
let before = 0;
for (let number = 0; number < rounds; number++) {
  if (number === rounds >> 2) before = await inUse();
  await round(number);
}
await world.flushBuffer();
await world.barrier();
const growth = (await inUse()) - before;
assert(growth < GROWTH_MAX, `${growth} bytes more are in use than after a quarter of the rounds`);
sayOk();
