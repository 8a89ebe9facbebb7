/**
 * `heap-soak OPERATIONS [workers | killed]`: random allocations, sends, drops and collections of arrays in shared heaps, so many among
 * all ranks. Each payload is compared, and so is what a rank has kept for a while. What is in use at the end
 * is what was in use before.
 *
 * `workers`: a worker of each rank does so at the same time, and gives some arrays to its rank, which sends them. `killed`: a rank
 * kills itself in the middle.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { type SharedHeap, sharedHeap } from '../../../../native/shared-heap.ts';
import { MPI, type Request, SUM } from '../../../../runtime/index.ts';
import { Random } from '../../../tools/random.ts';
import { assert, sayOk } from '../../lib.ts';
import { inUse } from './in-use.ts';

const MIB = 2 ** 20;
const POOL_BYTES = 8 * MIB;
const KEPT = 24;
const MESSAGES = 32;
/** The tag of what a worker has made. */
const GIVEN = MESSAGES;
/** Arrays that a worker has given and nobody has sent yet. */
const GIVEN_MAX = 8;
/** What a heap keeps of free memory (HEAP_DIRTY_BYTES), and the blocks of the arrays that are kept. */
const DIRTY_MAX = 96 * MIB;
/** By how much each may grow after the first quarter. A rank has touched the heaps of all ranks. */
const GROWTH_MAX = { objects: 4 * MIB, arrays: 32 * MIB, resident: 4 * DIRTY_MAX };

/** The same bytes at each rank: an array has what lies here from its seed on. */
const pool = new Uint8Array(POOL_BYTES);
{
  const random = new Random(1);
  const words = new Uint32Array(pool.buffer);
  for (let i = 0; i < words.length; i++) words[i] = random.next();
}

/** Below the heap's least block, in it, and some that it has to make room for. */
function lengthOf(random: Random): number {
  const chance = random.below(1000);
  if (chance < 2) return 4 * MIB + random.below(MIB);
  if (chance < 50) return random.below(MIB) + 1;
  return random.below(192 * 1024) + 1;
}

const seedOf = (random: Random, length: number) => random.below(POOL_BYTES - length);
const expected = (seed: number, length: number) => pool.subarray(seed, seed + length);

function empty(random: Random, length: number): Uint8Array {
  const kind = random.below(4);
  if (kind === 0) return Buffer.allocUnsafe(length);
  if (kind === 1) return new Uint8Array(new SharedArrayBuffer(length));
  if (kind === 2) return new Uint8Array(length + 100).subarray(50, 50 + length);
  return new Uint8Array(length);
}

function verify(bytes: Uint8Array, seed: number, what: string): void {
  assert.equal(Buffer.compare(bytes, expected(seed, bytes.length)), 0, what);
}

/** Arrays of one thread, of which some are kept for a while. */
class Arrays {
  operations = 0;
  readonly random: Random;
  readonly #kept: { bytes: Uint8Array; seed: number }[] = [];

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  empty(length: number): Uint8Array {
    this.operations++;
    return empty(this.random, length);
  }

  filled(length: number, seed: number): Uint8Array {
    const bytes = this.empty(length);
    bytes.set(expected(seed, length));
    return bytes;
  }

  /** Makes an array, keeps it, and drops another one, in which nothing may have changed. */
  churn(): void {
    const { random } = this;
    const length = lengthOf(random);
    const seed = seedOf(random, length);
    const at = random.below(KEPT);
    const old = this.#kept[at];
    if (old) verify(old.bytes, old.seed, 'an array that was kept');
    if (old) this.operations++;
    this.#kept[at] = { bytes: this.filled(length, seed), seed };
    if (random.chance(0.01)) this.collect();
  }

  collect(): void {
    this.operations++;
    (globalThis as { gc?: () => void }).gc?.();
  }
}

interface Given {
  readonly bytes: Uint8Array;
  readonly seed: number;
}

/** A worker: it allocates and drops, and gives some of it away, as long as somebody takes that. */
function work(arrays: Arrays): void {
  let open = 0;
  parentPort?.on('message', () => open--);
  const round = () => {
    for (let i = 0; i < 20; i++) arrays.churn();
    while (open < GIVEN_MAX) {
      open++;
      const length = lengthOf(arrays.random);
      const seed = seedOf(arrays.random, length);
      const bytes = new Uint8Array(length);
      bytes.set(expected(seed, length));
      parentPort?.postMessage({ bytes, seed }, [bytes.buffer]);
    }
    setImmediate(round);
  };
  round();
}

/** What this rank's worker has given. */
const given: Given[] = [];
let worker: Worker | undefined;

/** One round of messages among all ranks, known to all. */
async function round(number: number, arrays: Arrays): Promise<void> {
  const { world } = MPI;
  const { rank, size } = world;
  const plan = new Random(number);
  const requests: Request[] = [];
  const incoming: { bytes: Uint8Array; seed: number }[] = [];
  for (let tag = 0; tag < MESSAGES; tag++) {
    const [from, to, length] = [plan.below(size), plan.below(size), lengthOf(plan)];
    const seed = seedOf(plan, length);
    arrays.churn();
    if (to === rank) {
      incoming.push({ bytes: arrays.empty(length), seed });
      requests.push(world.irecv(incoming.at(-1)!.bytes, from, tag));
    }
    if (from === rank) {
      arrays.operations++;
      requests.push(world.isend(arrays.filled(length, seed), to, tag));
    }
  }
  if (number % 3 === 0) for (const request of requests) request.wait();
  else await Promise.all(requests);
  for (const { bytes, seed } of incoming) verify(bytes, seed, `round ${number}`);
  await passGiven(arrays);
}

/** What the worker has made goes to the next rank, with the seed before it. */
async function passGiven(arrays: Arrays): Promise<void> {
  const { world } = MPI;
  const { rank, size } = world;
  const [next, previous] = [(rank + 1) % size, (rank + size - 1) % size];
  const { bytes, seed } = given.shift() ?? { bytes: new Uint8Array(0), seed: 0 };
  if (bytes.length > 0) worker?.postMessage('taken');
  const head = new Float64Array(2);
  await world.sendrecv(Float64Array.of(bytes.length, seed), next, GIVEN, head, previous, GIVEN);
  const into = arrays.empty(head[0]);
  await world.sendrecv(bytes, next, GIVEN, into, previous, GIVEN);
  verify(into, head[1], 'what a worker had made');
}

function startWorker(): Worker {
  const started = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
  started.on('message', (made: Given) => {
    given.push(made);
  });
  started.on('error', (error) => {
    throw error;
  });
  return started;
}

const heap = () => sharedHeap() as SharedHeap;

async function run(operations: number, how: string | undefined): Promise<void> {
  const { world } = MPI;
  assert.equal(typeof heap().base, 'number');
  if (how === 'workers') worker = startWorker();
  const arrays = new Arrays(world.rank + 1);
  const share = operations / world.size;
  let total = 0;
  let before: Measured | undefined;
  for (let number = 0; total < operations; number++) {
    if (before === undefined && total > operations / 4) before = await measure();
    if (how === 'killed' && world.rank === 2 && arrays.operations > share / 2)
      setImmediate(() => process.kill(process.pid, 'SIGKILL'));
    await round(number, arrays);
    total = await world.allreduce(arrays.operations, SUM);
    if (number % 8 === 0) await turn();
  }
  const after = await measure();
  await worker?.terminate();
  for (const [what, most] of Object.entries(GROWTH_MAX)) {
    const grown = after[what] - (before as Measured)[what];
    assert(grown < most, `${what}: ${grown} bytes more than after a quarter`);
  }
  assert(heap().dirty < DIRTY_MAX + heap().used / 8);
  await world.barrier();
  sayOk();
}

type Measured = Readonly<Record<string, number>>;
async function measure(): Promise<Measured> {
  await inUse();
  const { heapUsed, rss } = process.memoryUsage();
  return { objects: heapUsed, arrays: heap().used, resident: rss };
}

const [, , operations, how] = process.argv;
if (isMainThread) await run(Number(operations), how);
else work(new Arrays(1000));
