/** A rank of the job that `npm run bench:verbs` measures: rank 0 takes tasks from stdin, a line each. */
import { readSync } from 'node:fs';
import { MPI, type Request, Request as Requests, Status } from '../../../runtime/index.ts';
import { RegistrationCache } from '../../../runtime/memory/cache.ts';
import { type Answer, type Task, TRIPS_TIMED, WINDOW } from './measures.ts';

const TASK_TAG = 1;
const MESSAGE_TAG = 2;
/** A task as rank 1 gets it: an index of WHATS, bytes, count, audit, untimed. */
const TASK_WORDS = 5;
const WHATS = ['end', 'latency', 'window', 'single'];
const PATTERN = 0x5a;
/** Of a message that came so many-th bytes are looked at. */
const STRIDE = 4096;
const NONE = { get: 0, put: 0 };

const { world } = MPI;
const { rank } = world;
const other = 1 - rank;
const status = new Status();
const empty = new Uint8Array(0);
const now = () => performance.now();
const never = () => 0;
let clock = now;
const buffers = new Map<number, Uint8Array>();

/** The same memory for each task of a size: that is what caching is about. */
function bufferOf(bytes: number): Uint8Array {
  let buffer = buffers.get(bytes);
  if (buffer === undefined) {
    buffer = new Uint8Array(bytes);
    buffers.set(bytes, buffer);
  }
  return buffer.fill(rank === 0 ? PATTERN : 0);
}

/**
 * Half round trips in nanoseconds, of a few at a time: their median is what perftest calls typical. A guest's
 * clock may cost as much as half a round trip, so that it is not read for each.
 */
function latency(buffer: Uint8Array, times: Float64Array): void {
  let before = clock();
  for (let i = 0; i < times.length; i++) {
    for (let trip = 0; trip < TRIPS_TIMED; trip++) {
      if (rank === 0) world.sendSync(buffer, other, MESSAGE_TAG);
      world.recvSync(buffer, other, MESSAGE_TAG, status);
      if (rank !== 0) world.sendSync(buffer, other, MESSAGE_TAG);
    }
    if (rank !== 0) continue;
    const after = clock();
    times[i] = ((after - before) * 5e5) / TRIPS_TIMED;
    before = after;
  }
}

/** A window has so many messages under way at any time until its end, as perftest has. */
function window(buffer: Uint8Array, count: number): void {
  const underWay: Request[] = [];
  const one = () =>
    rank === 0 ? world.isend(buffer, other, MESSAGE_TAG) : world.irecv(buffer, other, MESSAGE_TAG);
  for (let i = 0; i < count; i++) {
    if (underWay.length === WINDOW) (underWay.shift() as Request).wait();
    underWay.push(one());
  }
  Requests.waitAll(underWay);
  acknowledge();
}

function acknowledge(): void {
  if (rank === 0) world.recvSync(empty, other, MESSAGE_TAG, status);
  else world.sendSync(empty, other, MESSAGE_TAG);
}

/** Nanoseconds of each message and its acknowledgement. */
function single(buffer: Uint8Array, times: Float64Array): void {
  for (let i = 0; i < times.length; i++) {
    const started = clock();
    if (rank === 0) world.sendSync(buffer, other, MESSAGE_TAG);
    else world.recvSync(buffer, other, MESSAGE_TAG, status);
    acknowledge();
    times[i] = (clock() - started) * 1e6;
  }
}

function run({ what, bytes, count, untimed }: Task): Float64Array {
  clock = untimed ? never : now;
  const buffer = bufferOf(bytes);
  const timed = { latency: count / TRIPS_TIMED, window: 1, single: count };
  const times = new Float64Array(Math.ceil(timed[what]));
  const started = clock();
  if (what === 'latency') latency(buffer, times);
  else if (what === 'single') single(buffer, times);
  else {
    window(buffer, count);
    times[0] = ((clock() - started) * 1e6) / count;
  }
  for (let at = 0; at < bytes; at += Math.min(STRIDE, Math.max(1, bytes - 1 - at)))
    if (buffer[at] !== PATTERN) throw new Error(`byte ${at} is not the one that was sent`);
  return times.sort();
}

let looks = 0;

/** Counts looks from now on. */
function countLooks(): void {
  const { look } = RegistrationCache.prototype;
  RegistrationCache.prototype.look = function (this: RegistrationCache) {
    looks += 1;
    look.call(this);
  };
}

/** Messages that went by RDMA so far. */
function moved(): { get: number; put: number } {
  const { sent, received } = MPI.statistics().messages.verbs ?? { sent: NONE, received: NONE };
  return { get: sent.get + received.get, put: sent.put + received.put };
}

let counting = false;

/** What this rank has to say of a task. */
function measure(task: Task): Float64Array {
  if (task.audit && !counting) {
    counting = true;
    countLooks();
  }
  const before = moved();
  looks = 0;
  const times = run(task);
  const after = moved();
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const median = times[times.length >> 1];
  return Float64Array.of(median, mean, after.get - before.get, after.put - before.put, looks);
}

function answer(task: Task): Answer {
  const words = [WHATS.indexOf(task.what), task.bytes, task.count];
  words.push(task.audit ? 1 : 0, task.untimed ? 1 : 0);
  world.sendSync(Float64Array.from(words), other, TASK_TAG);
  const mine = measure(task);
  const theirs = new Float64Array(mine.length);
  world.recvSync(theirs, other, TASK_TAG, status);
  const both = (at: number) => [mine[at], theirs[at]];
  return { ns: mine[0], mean: mine[1], gets: both(2), puts: both(3), looks: both(4) };
}

/** The next line of stdin; undefined: its end. */
function readLine(): string | undefined {
  const byte = new Uint8Array(1);
  let line = '';
  while (readSync(0, byte) === 1) {
    if (byte[0] === 10) return line;
    line += String.fromCharCode(byte[0]);
  }
  return undefined;
}

function lead(): void {
  const theirs = new Float64Array(1);
  world.recvSync(theirs, other, TASK_TAG, status);
  console.log(JSON.stringify({ ready: [process.pid, theirs[0]] }));
  for (let line = readLine(); line !== undefined; line = readLine())
    console.log(JSON.stringify(answer(JSON.parse(line) as Task)));
  world.sendSync(new Float64Array(TASK_WORDS), other, TASK_TAG);
}

function follow(): void {
  world.sendSync(Float64Array.of(process.pid), other, TASK_TAG);
  const words = new Float64Array(TASK_WORDS);
  for (;;) {
    world.recvSync(words, other, TASK_TAG, status);
    const [what, bytes, count, audit, untimed] = words;
    if (what === 0) return;
    const options = { audit: audit === 1, untimed: untimed === 1 };
    const task = { what: WHATS[what] as Task['what'], bytes, count, ...options };
    world.sendSync(measure(task), other, TASK_TAG);
  }
}

if (rank === 0) lead();
else follow();
MPI.finalize();
