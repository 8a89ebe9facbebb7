/**
 * Many starts (argv[2]) of two ranks within this process, over shared memory and in Node's event loop. They
 * post their receives early, do something else, send, and await what they have begun, or do not. When
 * both have come to their end nothing may hold the process: the next start waits until Node would exit.
 */
import { readFile } from 'node:fs/promises';
import type { Engine } from '../../../../../runtime/messaging/engine.ts';
import { worldOf } from '../../../../../runtime/mpi/first-communicators.ts';
import { engines, ShmGroup } from '../../../../conformance/transports/shm-group.ts';
import { assert, pause } from '../../../../jobs/lib.ts';
import { filled, verify } from '../../../../tools/bytes.ts';
import { Random } from '../../../../tools/random.ts';

/** Ends a start that hangs; only broken code needs it. */
const PATIENCE_MS = 240_000;
/** In one packet, in several, on request. */
const SIZES = [1, 5000, 100_000];

const starts = Number(process.argv[2]);
let seed = 0;
let group: ShmGroup | null = null;
let ranks: Engine[] = [];
let ended = 0;

async function somethingElse(random: Random): Promise<unknown> {
  switch (random.below(5)) {
    case 0:
      return;
    case 1:
      return new Promise((done) => setImmediate(done));
    case 2:
      return readFile('/proc/self/stat');
    default:
      return pause(random.below(4));
  }
}

async function run(engine: Engine, random: Random, bytes: number): Promise<void> {
  const comm = worldOf(engine);
  const other = 1 - engine.rank;
  const got = new Uint8Array(bytes);
  if (random.below(4) === 0) comm.irecv(new Uint8Array(1), other, 77);
  const receive = comm.irecv(got, other);
  await somethingElse(random);
  const send = comm.isend(filled(bytes, seed), other);
  await somethingElse(random);
  if (random.below(2) === 0) await receive;
  else while (!receive.test()) await somethingElse(random);
  await send;
  verify(got, seed, `start ${seed}`);
  ended++;
}

function start(): void {
  if (group !== null) {
    assert.equal(ended, 2, `Node would exit in the midst of start ${seed}`);
    for (const engine of ranks) engine.close();
    group.close();
  }
  if (seed === starts) {
    process.off('beforeExit', start);
    process.stdout.write(`${seed} starts\n`);
    return;
  }
  seed++;
  ended = 0;
  group = new ShmGroup(2);
  ranks = engines(group);
  const random = new Random(seed);
  const bytes = random.pick(SIZES);
  for (const engine of ranks) run(engine, new Random(random.next()), bytes);
}

const watchdog = setTimeout(() => {
  process.stderr.write(`start ${seed} hangs: ${ended} of 2 ranks have ended\n`);
  process.exit(1);
}, PATIENCE_MS);
watchdog.unref();
process.on('beforeExit', start);
start();
