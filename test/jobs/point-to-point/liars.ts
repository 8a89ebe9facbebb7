/**
 * Buffers that say something else than they are: what counts is the memory that they have. Beside it
 * nothing is read or written, none of their code is called, and no operation is left without an end.
 */
import { runInNewContext } from 'node:vm';
import { ANY_TAG, type MessageBuffer, MPI, PROC_NULL } from '../../../runtime/index.ts';
import { defineJob, SINGLE_COPY } from '../job.ts';
import { assert, filled, Guarded, rejects, throws, verify } from '../lib.ts';

const world = MPI.world;
const last = world.size - 1;
const LIE = 8 * 2 ** 20;
const elsewhere = new ArrayBuffer(64);
const called = (): never => assert.fail('code of the program was called');

/** Every property and method that a typed array or DataView has, and none of them true. */
const LIES: PropertyDescriptorMap = {
  byteLength: { get: () => LIE },
  byteOffset: { get: () => 4096 },
  buffer: { get: () => elsewhere },
  maxByteLength: { get: () => 1 },
  constructor: { get: called },
};
for (const name of ['set', 'subarray', 'slice', 'fill', 'keys', 'resize', 'grow', 'transfer'])
  LIES[name] = { value: called };
// Read, but not believed.
const LENGTH = { length: { get: () => LIE } };
let reads = 0;
const WAVERING = { length: { get: () => (reads++ % 2 === 0 ? 8 : LIE) } };

type Make = (memory: ArrayBufferLike, offset: number, length: number) => MessageBuffer;

function typed(lies: PropertyDescriptorMap): Make {
  class Liar extends Uint8Array<ArrayBufferLike> {}
  Object.defineProperties(Liar.prototype, lies);
  Object.defineProperty(Liar, Symbol.species, { get: called });
  return (...place) => new Liar(...place);
}
const foreign = (type: string): Make =>
  runInNewContext(`(memory, offset, length) => new ${type}(memory, offset, length)`);

const LIARS: Record<string, Make> = {
  'a Buffer': (memory, offset, length) => Buffer.from(memory as never, offset, length),
  'a subclass': typed({ ...LIES, ...LENGTH }),
  'a subclass that wavers': typed({ ...LIES, ...WAVERING }),
  'a subclass without length': typed({ ...LIES, length: { value: undefined } }),
  'properties of its own': (...place) =>
    Object.defineProperties(new Uint8Array(...place), { ...LIES, ...LENGTH }),
  'true but for its methods': (...place) => Object.defineProperties(new Uint8Array(...place), LIES),
  'no prototype': (...place) => Object.setPrototypeOf(new Uint8Array(...place), null),
  'doubles that look like bytes': (memory, offset, length) =>
    Object.setPrototypeOf(new Float64Array(memory, offset, length / 8), Uint8Array.prototype),
  'bytes that look like doubles': (...place) =>
    Object.setPrototypeOf(new Uint8Array(...place), Float64Array.prototype),
  'a DataView': (...place) =>
    Object.defineProperties(new DataView(...place), { ...LIES, ...LENGTH }),
  'bytes of another realm': foreign('Uint8Array'),
  'a DataView of another realm': foreign('DataView'),
};

type Habit = 'sync' | 'start' | 'await';

async function send(buffer: MessageBuffer, habit: Habit): Promise<void> {
  if (habit === 'sync') world.sendSync(buffer, last);
  else if (habit === 'start') world.isend(buffer, last).wait();
  else await world.send(buffer, last);
}

async function receive(buffer: MessageBuffer, habit: Habit): Promise<number> {
  if (habit === 'sync') return world.recvSync(buffer, 0).byteLength;
  if (habit === 'start') return world.irecv(buffer, 0).wait().byteLength;
  return (await world.recv(buffer, 0)).byteLength;
}

/** From the first rank to the last, which may be the same. @returns bytes received, at the last */
async function pass(out: MessageBuffer, into: MessageBuffer, habit: Habit): Promise<number> {
  if (world.size === 1) {
    const request = world.irecv(into, 0);
    await send(out, habit);
    return (await request).byteLength;
  }
  if (world.rank === 0) await send(out, habit);
  return world.rank === last ? receive(into, habit) : -1;
}

async function passLiar(make: Make, length: number, shared: boolean, habit: Habit): Promise<void> {
  const lying = new Guarded(length, shared, 0);
  const plain = new Guarded(length, shared, 0);
  const place = (view: Uint8Array) => [view.buffer, view.byteOffset, view.byteLength] as const;
  const liar = make(...place(lying.view));
  // The second time it is known.
  for (const seed of [1, 2, 3]) {
    lying.view.set(filled(length, seed));
    const sent = await pass(liar, plain.view, habit);
    if (sent >= 0) {
      assert.equal(sent, length);
      verify(plain.view, seed, 'what a liar sent');
    }
    const received = await pass(filled(length, 10 + seed), liar, habit);
    if (received >= 0) {
      assert.equal(received, length);
      verify(lying.view, 10 + seed, 'what a liar received');
    }
    lying.check('a liar');
  }
  // One byte more than it can hold.
  const truncated = pass(new Uint8Array(length + 1), liar, habit);
  if (world.rank === last) await rejects('ERR_TRUNCATE', truncated);
  else await truncated;
  verify(lying.view, world.rank === last ? 13 : 3, 'after a message too large');
}

/** A buffer that is memory as a whole. */
async function passMemory(memory: ArrayBufferLike, habit: Habit): Promise<void> {
  const plain = new Uint8Array(64);
  new Uint8Array(memory).set(filled(64, 5));
  if ((await pass(memory, plain, habit)) >= 0) verify(plain, 5, 'sent from memory');
  if ((await pass(filled(64, 6), memory, habit)) >= 0)
    verify(new Uint8Array(memory), 6, 'received into memory');
}

/** A view that follows its memory: what counts is how long it was when the operation began. */
async function grown(shared: boolean): Promise<void> {
  for (const length of [8, 20_000, 300_000]) {
    const options = { maxByteLength: 2 * length };
    const memory = shared
      ? new SharedArrayBuffer(length, options)
      : new ArrayBuffer(length, options);
    const view = new Uint8Array(memory);
    const grow = () =>
      memory instanceof SharedArrayBuffer ? memory.grow(2 * length) : memory.resize(2 * length);
    if (world.rank === last) {
      const requests = [world.irecv(view, 0), world.irecv(view, 0)];
      grow();
      world.barrierSync();
      const sending = world.rank === 0 ? sendToGrown(length) : null;
      assert.equal((await requests[0]).byteLength, length);
      verify(view.subarray(0, length), length, 'what came into memory that has grown');
      assert(
        view.subarray(length).every((byte) => byte === 0),
        'the new memory was written',
      );
      await rejects('ERR_TRUNCATE', requests[1]);
      await sending;
    } else {
      world.barrierSync();
      await sendToGrown(length);
    }
  }
}

async function sendToGrown(length: number): Promise<void> {
  await Promise.all([
    world.send(filled(length, length), last),
    world.send(new Uint8Array(length + 1), last),
  ]);
}

/** It is sent as it was when the call returned. */
async function sentBefore(): Promise<void> {
  const bytes = Buffer.from('as it was');
  if (world.rank === 0) {
    assert(world.isend(bytes, last).done);
    bytes.fill('x');
  }
  if (world.rank === last) {
    await world.recv(bytes, 0);
    assert.equal(String(bytes), 'as it was');
  }
}

/** An empty message comes into a buffer that is empty by now, since it is detached. */
async function nothingIntoNothing(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const empty = new Uint8Array(8);
    const request = world.rank === last ? world.irecv(empty.subarray(0, 0), 0) : null;
    structuredClone(empty, { transfer: [empty.buffer] });
    world.barrierSync();
    if (world.rank === 0) await world.send(new Uint8Array(0), last);
    if (request !== null) assert.equal((await request).byteLength, 0);
  }
}

/** Nobody is at the other end, so no buffer is needed. */
async function withNobody(): Promise<void> {
  world.sendSync(null, PROC_NULL);
  await world.send(null, PROC_NULL);
  world.isend(null, PROC_NULL).wait();
  const nobody = { source: PROC_NULL, tag: ANY_TAG, byteLength: 0 };
  const statuses = [
    world.recvSync(null, PROC_NULL),
    await world.recv(null, PROC_NULL),
    world.irecv(null, PROC_NULL).wait(),
    world.sendrecvSync(null, PROC_NULL, 0, null, PROC_NULL),
    await world.sendrecv(null, PROC_NULL, 0, null, PROC_NULL),
  ];
  for (const status of statuses) assert.deepEqual({ ...status }, nobody);
  throws('ERR_TAG', () => world.sendSync(null, PROC_NULL, -5));
  throws('ERR_BUFFER', () => world.sendSync('text' as never, PROC_NULL));
}

async function liars(): Promise<void> {
  for (const make of Object.values(LIARS))
    for (const length of [8, 64, 4096, 8000, 20_000, 262_144])
      for (const shared of [false, true])
        for (const habit of ['sync', 'start', 'await'] as const)
          await passLiar(make, length, shared, habit);
}

async function memories(): Promise<void> {
  for (const name of ['ArrayBuffer', 'SharedArrayBuffer']) {
    const own = name === 'ArrayBuffer' ? new ArrayBuffer(64) : new SharedArrayBuffer(64);
    const lying = Object.defineProperties(own, LIES);
    for (const memory of [lying, runInNewContext(`new ${name}(64)`)])
      for (const habit of ['sync', 'start', 'await'] as const) await passMemory(memory, habit);
  }
}

export default defineJob({
  ranks: [1, 2],
  settings: SINGLE_COPY,
  rdma: [],
  cases: {
    'nobody at the other end needs a buffer': withNobody,
    'views that lie': liars,
    'memories that lie': memories,
    'a view that grows': () => grown(false),
    'a shared view that grows': () => grown(true),
    'what is sent is what it was when the call returned': sentBefore,
    'an empty message into what has become empty': nothingIntoNothing,
  },
});
