/**
 * Every argument of every call, before the first contact with the other rank and after it, when small
 * messages go by shorter ways: each bad value gives one error, the same from all calls, and nothing is
 * posted, sent or taken.
 */
import {
  ANY_SOURCE,
  ANY_TAG,
  type ErrorCode,
  type MessageBuffer,
  MPI,
  MpiError,
  Status,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert } from '../lib.ts';

const world = MPI.world;
const other = (world.rank + 1) % world.size;
const any = (value: unknown) => value as never;
const good = () => new Uint8Array(8);

type Call = (buffer: MessageBuffer, rank: number, tag: number) => unknown;
const SENDING: Record<string, Call> = {
  sendSync: (b, rank, tag) => world.sendSync(b, rank, tag),
  isend: (b, rank, tag) => world.isend(b, rank, tag),
  send: (b, rank, tag) => world.send(b, rank, tag),
  ssendSync: (b, rank, tag) => world.ssendSync(b, rank, tag),
  ssend: (b, rank, tag) => world.ssend(b, rank, tag),
  issend: (b, rank, tag) => world.issend(b, rank, tag),
  bsend: (b, rank, tag) => world.bsend(b, rank, tag),
  'persistent.send': (b, rank, tag) => world.persistent.send(b, rank, tag),
  'persistent.ssend': (b, rank, tag) => world.persistent.ssend(b, rank, tag),
  sendrecvReplaceSync: (b, rank, tag) => world.sendrecvReplaceSync(b, rank, tag, other, 0),
  sendrecvReplace: (b, rank, tag) => world.sendrecvReplace(b, rank, tag, other, 0),
  sendrecvSync: (b, rank, tag) => world.sendrecvSync(b, rank, tag, good(), other, 0),
  sendrecv: (b, rank, tag) => world.sendrecv(b, rank, tag, good(), other, 0),
};
const RECEIVING: Record<string, Call> = {
  recvSync: (b, rank, tag) => world.recvSync(b, rank, tag),
  irecv: (b, rank, tag) => world.irecv(b, rank, tag),
  recv: (b, rank, tag) => world.recv(b, rank, tag),
  'recv with options': (b, rank, tag) => world.recv(b, rank, tag, {}),
  'persistent.recv': (b, rank, tag) => world.persistent.recv(b, rank, tag),
  sendrecvSync: (b, rank, tag) => world.sendrecvSync(good(), other, 0, b, rank, tag),
  sendrecv: (b, rank, tag) => world.sendrecv(good(), other, 0, b, rank, tag),
};
/** A source and a tag, without a buffer. */
const PROBING: Record<string, (rank: number, tag: number) => unknown> = {
  probeSync: (rank, tag) => world.probeSync(rank, tag),
  probe: (rank, tag) => world.probe(rank, tag),
  iprobe: (rank, tag) => world.iprobe(rank, tag),
  mprobeSync: (rank, tag) => world.mprobeSync(rank, tag),
  mprobe: (rank, tag) => world.mprobe(rank, tag),
  improbe: (rank, tag) => world.improbe(rank, tag),
  messages: (source, tag) => world.messages({ source, tag }),
  'sendrecvReplace, receiving': (rank, tag) => world.sendrecvReplace(good(), other, 0, rank, tag),
  'objects.recvSync': (rank, tag) => world.objects().recvSync(rank, tag),
  'objects.recv': (rank, tag) => world.objects().recv(rank, tag),
  'objects.sendrecv': (rank, tag) => world.objects().sendrecv(1, other, 0, rank, tag),
  'objects.messages': (source, tag) => world.objects().messages({ source, tag }),
};
/** They reject and never throw. */
const PROMISES = [
  'send',
  'ssend',
  'recv',
  'recv with options',
  'sendrecv',
  'sendrecvReplace',
  'probe',
  'mprobe',
  'sendrecvReplace, receiving',
  'objects.recv',
  'objects.sendrecv',
];

function detached<Buffer extends MessageBuffer>(buffer: Buffer): Buffer {
  const memory = ArrayBuffer.isView(buffer) ? buffer.buffer : buffer;
  structuredClone(memory, { transfer: [memory as ArrayBuffer] });
  return buffer;
}

function shrunk(): Float64Array {
  const memory = new ArrayBuffer(64, { maxByteLength: 64 });
  const view = new Float64Array(memory, 32, 4);
  memory.resize(16);
  return view;
}

const throwing = (): never => assert.fail('code of the program was called');
const NO_NUMBERS: Record<string, unknown> = {
  'an int32 too much': 2 ** 31,
  '2^40': 2 ** 40,
  '0.5': 0.5,
  '-7': -7,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "'0'": '0',
  "'1'": '1',
  "'length'": 'length',
  '[0]': [0],
  '[1]': [1],
  true: true,
  null: null,
  '0n': 0n,
  '1n': 1n,
  'a symbol': Symbol('a symbol'),
  'a Number': Object(1),
  'no prototype': Object.create(null),
  'an object that is 1': { valueOf: throwing, toString: throwing, [Symbol.toPrimitive]: throwing },
};
const NO_BUFFERS: Record<string, unknown> = {
  null: null,
  undefined: undefined,
  5: 5,
  '8n': 8n,
  text: 'text',
  'an array': [1, 2, 3],
  'a symbol': Symbol('a symbol'),
  'a function': throwing,
  'an object': { byteLength: 8, length: 8, buffer: new ArrayBuffer(8) },
  'no prototype': Object.create(null),
  'a prototype alone': Object.create(Uint8Array.prototype),
  'a Proxy': new Proxy(new Uint8Array(8), {}),
  'a Proxy of an ArrayBuffer': new Proxy(new ArrayBuffer(8), {}),
  'detached bytes': detached(new Uint8Array(8)),
  'detached empty bytes': detached(new Uint8Array(0)),
  'detached doubles': detached(new Float64Array(8)),
  'detached DataView': detached(new DataView(new ArrayBuffer(8))),
  'detached ArrayBuffer': detached(new ArrayBuffer(8)),
  shrunk: shrunk(),
};

const failures: string[] = [];
/** The message for a role, an argument and a value, from whatever call, before contact and after. */
const messages = new Map<string, string>();

async function expectError(
  call: string,
  what: string,
  code: ErrorCode,
  use: () => unknown,
): Promise<void> {
  let error: unknown;
  let came = 'thrown';
  try {
    const result = use();
    came = 'rejected';
    await result;
    failures.push(`${call}: ${what}: no error`);
    return;
  } catch (caught) {
    error = caught;
  }
  const text =
    error instanceof MpiError ? `${error.code} ${error.message}` : `no MpiError: ${error}`;
  const before = messages.get(what) ?? text;
  messages.set(what, before);
  if (!text.startsWith(`${code} `) || text !== before || /\[object|undefined is/.test(text))
    failures.push(`${call}: ${what}: ${text}; before: ${before}`);
  if ((came === 'rejected') !== PROMISES.includes(call)) failures.push(`${call}: ${what}: ${came}`);
}

async function tryAll(): Promise<void> {
  for (const [role, calls, wild] of [
    ['sending', SENDING, true],
    ['receiving', RECEIVING, false],
  ] as const) {
    const ranks = { ...NO_NUMBERS, 'no such rank': world.size, ...(wild && { any: ANY_SOURCE }) };
    const tags = { ...NO_NUMBERS, ...(wild && { any: ANY_TAG }) };
    for (const [name, call] of Object.entries(calls)) {
      for (const [what, value] of Object.entries(NO_BUFFERS))
        await expectError(name, `${role} the buffer ${what}`, 'ERR_BUFFER', () =>
          call(any(value), other, 0),
        );
      for (const [what, value] of Object.entries(ranks))
        await expectError(name, `${role} the rank ${what}`, 'ERR_RANK', () =>
          call(good(), any(value), 0),
        );
      for (const [what, value] of Object.entries(tags))
        await expectError(name, `${role} the tag ${what}`, 'ERR_TAG', () =>
          call(good(), other, any(value)),
        );
    }
  }
  for (const [name, call] of Object.entries(PROBING)) {
    for (const [what, value] of Object.entries({ ...NO_NUMBERS, 'no such rank': world.size }))
      await expectError(name, `receiving the rank ${what}`, 'ERR_RANK', () => call(any(value), 0));
    for (const [what, value] of Object.entries(NO_NUMBERS))
      await expectError(name, `receiving the tag ${what}`, 'ERR_TAG', () =>
        call(other, any(value)),
      );
  }
  for (const value of [null, 5, 'text', { signal: 5 }, { signal: {} }]) {
    const options = any(value);
    const what = `the options ${JSON.stringify(value)}`;
    await expectError('recv', what, 'ERR_ARG', () => world.recv(good(), other, 0, options));
    await expectError('probe', what, 'ERR_ARG', () => world.probe(other, 0, options));
    await expectError('mprobe', what, 'ERR_ARG', () => world.mprobe(other, 0, options));
    const objects = world.objects();
    await expectError('objects.recv', what, 'ERR_ARG', () => objects.recv(other, 0, options));
  }
  for (const value of [null, 5, {}, 'text', Object.create(null)])
    await expectError('probeSync', `the status ${typeof value} ${value === null}`, 'ERR_ARG', () =>
      world.probeSync(other, 0, any(value)),
    );
  for (const value of [null, 5, {}, 'text', Object.create(null)])
    await expectError('recvSync', `the status ${typeof value} ${value === null}`, 'ERR_ARG', () =>
      world.recvSync(good(), other, 0, any(value)),
    );
}

/** Until small messages go by the shortest way there is, in either habit. */
async function makeContact(): Promise<void> {
  const [out, got] = [good(), good()];
  for (let i = 0; i < 20; i++) {
    if (world.rank <= other) world.sendSync(out, other, i);
    world.recvSync(got, other, i);
    if (world.rank > other) world.sendSync(out, other, i);
    await Promise.all([world.recv(got, other, i), world.send(out, other, i)]);
  }
}

async function everyArgument(): Promise<void> {
  await tryAll();
  await makeContact();
  // It may be taken by mistake.
  world.isend(Uint8Array.of(1, 2, 3), other, 0);
  await tryAll();
  assert.deepEqual(failures, []);
  // Nothing is in the way: that message, and then the next one, are what comes.
  const got = new Uint8Array(8);
  const status = new Status();
  world.recvSync(got, other, ANY_TAG, status);
  assert.deepEqual(
    [{ ...status }, ...got],
    [{ source: other, tag: 0, byteLength: 3 }, 1, 2, 3, 0, 0, 0, 0, 0],
  );
  world.isend(Uint8Array.of(4), other, 1);
  world.recvSync(got, ANY_SOURCE, ANY_TAG, status);
  assert.deepEqual([{ ...status }, got[0]], [{ source: other, tag: 1, byteLength: 1 }, 4]);
}

export default defineJob({
  ranks: [1, 2],
  // Before the first contact.
  alone: true,
  rdma: [],
  cases: { 'every bad argument of every call': everyArgument },
});
