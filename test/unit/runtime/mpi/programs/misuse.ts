/**
 * One wrong use of MPI, named by argv[2], in a process of its own: what was thrown goes to stdout, as
 * one line `CODE message`. Where MPI goes on afterwards, it is used once more.
 */
import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { type Communicator, MPI, MpiError, Request } from '../../../../../runtime/index.ts';

const buffer = new Uint8Array(64);

/** Every operation that takes a buffer, a rank and a tag. */
const OPERATIONS = [
  'sendSync',
  'recvSync',
  'isend',
  'irecv',
  'send',
  'recv',
  'sendrecvSync, sending',
  'sendrecvSync, receiving',
  'sendrecv, sending',
  'sendrecv, receiving',
];

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
  'allocate 8n': () => MPI.allocate(8n as never),
  'abort with no status': () => MPI.abort(0.5),
  'abort with 1n': () => MPI.abort(1n as never),
  'waitAll of no array': () => Request.waitAll({ length: 1 } as never),
  'waitAll of no requests': () => {
    const posted = MPI.world.irecv(buffer);
    return Request.waitAll([posted, 5 as never]);
  },
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

for (const operation of OPERATIONS)
  SCENES[`${operation} after finalize`] = () => {
    world = MPI.world;
    // Contact was made: the short way of a small message is open.
    world.sendSync(buffer, 0, 0);
    world.recvSync(buffer, 0, 0);
    MPI.finalize();
    return operateOnOld(operation);
  };
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
await report(name);

async function report(scene: string): Promise<void> {
  let line = 'nothing was thrown';
  try {
    await SCENES[scene]();
  } catch (error) {
    line = error instanceof MpiError ? `${error.code} ${error.message}` : String(error);
  }
  process.stdout.write(`${scene}: ${line.split('\n')[0]}\n`);
}
