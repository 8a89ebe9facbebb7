/**
 * One wrong use of MPI, named by argv[2], in a process of its own: what was thrown goes to stdout, as
 * one line `CODE message`. Where MPI goes on afterwards, it is used once more.
 */
import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import {
  ANY_SOURCE,
  ANY_TAG,
  type Communicator,
  type MessageBuffer,
  MPI,
  MpiError,
} from '../../../runtime/index.ts';

const buffer = new Uint8Array(64);

/** Every operation that takes a buffer, a rank and a tag. */
const OPERATIONS: Record<string, (b: MessageBuffer, rank: number, tag: number) => unknown> = {
  sendSync: (b, rank, tag) => MPI.world.sendSync(b, rank, tag),
  recvSync: (b, rank, tag) => MPI.world.recvSync(b, rank, tag),
  isend: (b, rank, tag) => MPI.world.isend(b, rank, tag),
  irecv: (b, rank, tag) => MPI.world.irecv(b, rank, tag),
  send: (b, rank, tag) => MPI.world.send(b, rank, tag),
  recv: (b, rank, tag) => MPI.world.recv(b, rank, tag),
  'sendrecvSync, sending': (b, rank, tag) =>
    MPI.world.sendrecvSync(b, rank, tag, new Uint8Array(8), 0, 0),
  'sendrecvSync, receiving': (b, rank, tag) => MPI.world.sendrecvSync(buffer, 0, 0, b, rank, tag),
  'sendrecv, sending': (b, rank, tag) => MPI.world.sendrecv(b, rank, tag, new Uint8Array(8), 0, 0),
  'sendrecv, receiving': (b, rank, tag) => MPI.world.sendrecv(buffer, 0, 0, b, rank, tag),
};

function detached(): Uint8Array {
  const view = new Uint8Array(64);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

function shrunk(): Float64Array {
  const memory = new ArrayBuffer(64, { maxByteLength: 64 });
  const view = new Float64Array(memory, 32, 4);
  memory.resize(16);
  return view;
}

const any = (value: unknown) => value as never;
/** Wrong arguments: [buffer, rank, tag] by name. */
const ARGUMENTS: Record<string, [MessageBuffer, number, number]> = {
  'no such rank': [buffer, 1, 0],
  'rank -7': [buffer, -7, 0],
  'rank 0.5': [buffer, 0.5, 0],
  'rank NaN': [buffer, Number.NaN, 0],
  'rank 2^40': [buffer, 2 ** 40, 0],
  'rank undefined-like': [buffer, any('x'), 0],
  'tag -7': [buffer, 0, -7],
  'tag 0.5': [buffer, 0, 0.5],
  'tag 2^31': [buffer, 0, 2 ** 31],
  'tag NaN': [buffer, 0, Number.NaN],
  'tag of text': [buffer, 0, any('1')],
  'detached buffer': [detached(), 0, 0],
  'shrunk buffer': [shrunk(), 0, 0],
  'no buffer': [any(null), 0, 0],
  'array for a buffer': [any([1, 2, 3]), 0, 0],
};

/** Operations that send may not name a wildcard. */
const SENDING = ['sendSync', 'isend', 'send', 'sendrecvSync, sending', 'sendrecv, sending'];
const WILD: Record<string, [MessageBuffer, number, number]> = {
  'to any': [buffer, ANY_SOURCE, 0],
  'any tag': [buffer, 0, ANY_TAG],
};

const finalized = (use: () => unknown) => () => {
  MPI.init();
  const world = MPI.world;
  world.barrierSync();
  MPI.finalize();
  return use();
};

let world: Communicator;
const SCENES: Record<string, () => unknown> = {
  'init twice': () => {
    MPI.init();
    MPI.init();
  },
  'init after use': () => {
    void MPI.world.size;
    MPI.init();
  },
  'init after finalize': finalized(() => MPI.init()),
  'finalize twice': finalized(() => MPI.finalize()),
  'world after finalize': finalized(() => MPI.world),
  'self after finalize': finalized(() => MPI.self),
  'allocate after finalize': finalized(() => MPI.allocate(8)),
  'abort after finalize': finalized(() => MPI.abort(3)),
  'allocate -1': () => MPI.allocate(-1),
  'allocate 0.5': () => MPI.allocate(0.5),
  'allocate NaN': () => MPI.allocate(Number.NaN),
  'allocate 2^53': () => MPI.allocate(2 ** 53),
  'allocate too much': () => {
    // Were it not refused, this process should be the one that the kernel ends.
    writeFileSync('/proc/self/oom_score_adj', '1000');
    return MPI.allocate(2 ** 40);
  },
  'free other memory': () => MPI.free(new ArrayBuffer(8)),
  'free twice': () => {
    const shared = MPI.allocate(8);
    MPI.free(shared);
    MPI.free(shared);
  },
  'abort with no status': () => MPI.abort(0.5),
  'alone in recvSync': () => MPI.world.recvSync(buffer),
  'alone in wait': () => MPI.world.irecv(buffer).wait(),
  'large sendSync to itself': () => MPI.world.sendSync(new Uint8Array(100_000), 0),
  'in a worker': () =>
    new Promise((_resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { argv: ['use'], stdout: true });
      worker.on('error', reject);
      worker.stdout.on('data', (bytes) => reject(new Error(String(bytes))));
    }),
  use: () => MPI.world.barrierSync(),
};

for (const [operation, call] of Object.entries(OPERATIONS)) {
  for (const [what, values] of Object.entries(ARGUMENTS))
    SCENES[`${operation}: ${what}`] = () => call(...values);
  for (const [what, values] of Object.entries(WILD))
    SCENES[`${operation}: ${what}`] = () => call(...values);
  SCENES[`${operation} after finalize`] = () => {
    world = MPI.world;
    // Contact was made: the short way of a small message is open.
    world.sendSync(buffer, 0, 0);
    world.recvSync(buffer, 0, 0);
    MPI.finalize();
    return operateOnOld(operation);
  };
}
for (const barrier of ['barrier', 'barrierSync'] as const)
  SCENES[`${barrier} after finalize`] = () => {
    world = MPI.world;
    MPI.finalize();
    return world[barrier]();
  };

/** The communicator was kept: that it is used after all must be noticed by itself. */
function operateOnOld(operation: string): unknown {
  const [name, end] = operation.split(', ');
  if (name.startsWith('sendrecv'))
    return world[name as 'sendrecv'](buffer, 0, 0, buffer.slice(), 0, end === 'sending' ? 0 : 1);
  return world[name as 'send'](buffer, 0, 0);
}

const [name] = process.argv.slice(2);
if (name === 'all arguments') {
  // One process for all that MPI survives; each line is a case.
  for (const operation of Object.keys(OPERATIONS))
    for (const what of Object.keys(ARGUMENTS)) await report(`${operation}: ${what}`);
  for (const operation of SENDING)
    for (const what of Object.keys(WILD)) await report(`${operation}: ${what}`);
  // It survived them all: nothing was posted, nothing is in the way.
  const got = new Uint8Array(8);
  MPI.world.sendSync(Uint8Array.of(1, 2, 3), 0, 1);
  const status = MPI.world.recvSync(got, 0, ANY_TAG);
  process.stdout.write(`then: ${status.byteLength} ${got[2]}\n`);
} else await report(name);

async function report(scene: string): Promise<void> {
  let line = 'nothing was thrown';
  try {
    await SCENES[scene]();
  } catch (error) {
    line = error instanceof MpiError ? `${error.code} ${error.message}` : String(error);
  }
  process.stdout.write(`${scene}: ${line.split('\n')[0]}\n`);
}
