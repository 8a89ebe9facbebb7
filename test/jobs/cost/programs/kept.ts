/** What a message costs that waits, at rank 1 without a receive, at rank 0 without credit. Word: print. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ANY_SOURCE, MPI, type Request } from '../../../../runtime/index.ts';
import { UNEXPECTED_MESSAGES_MAX } from '../../../../runtime/messaging/flow/credit.ts';
import { assert, sayOk } from '../../lib.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function used(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const world = MPI.world;
const LAST = 2 ** 30;
const COUNT = UNEXPECTED_MESSAGES_MAX - 2;
const WAITING = 200_000;

/** Rank 0 sends as much as rank 1 may keep; how many bytes each message takes there. */
function kept(length: number, tags: number, source: number): number {
  const bytes = new Uint8Array(length);
  let cost = 0;
  world.barrierSync();
  if (world.rank === 0) {
    for (let i = 0; i < COUNT; i++) world.sendSync(bytes, 1, i % tags);
    for (const tag of [LAST, LAST + 1]) world.sendSync(bytes, 1, tag);
  } else {
    const before = used();
    // The second one looks among those that are kept by then.
    for (const tag of [LAST, LAST + 1]) world.recvSync(bytes, source, tag);
    cost = (used() - before) / COUNT;
    for (let i = 0; i < COUNT; i++) world.recvSync(bytes, source, i % tags);
  }
  world.barrierSync();
  return cost;
}

/** What each `isend` takes at rank 0 that finds no credit. */
function waits(): number {
  const bytes = new Uint8Array(8);
  let cost = 0;
  world.barrierSync();
  if (world.rank === 0) {
    for (let i = 0; i < UNEXPECTED_MESSAGES_MAX; i++) world.sendSync(bytes, 1, 1);
    const requests: Request[] = new Array(WAITING).fill(null);
    const before = used();
    for (let i = 0; i < WAITING; i++) requests[i] = world.isend(bytes, 1, 1);
    cost = (used() - before) / WAITING;
    world.barrierSync();
    for (const request of requests) request.wait();
  } else {
    world.barrierSync();
    for (let i = 0; i < UNEXPECTED_MESSAGES_MAX + WAITING; i++) world.recvSync(bytes, 0, 1);
  }
  return cost;
}

const figures = [
  ['4 bytes, one tag', kept(4, 1, 0), 200],
  ['128 bytes, one tag', kept(128, 1, 0), 320],
  ['4 bytes, tags all different', kept(4, COUNT, 0), 320],
  ['4 bytes, tags all different, received from any source', kept(4, COUNT, ANY_SOURCE), 450],
  ['waiting for credit', waits(), 260],
] as const;
for (const [what, cost, most] of figures) {
  if (cost > 0 && process.argv[2] === 'print')
    process.stderr.write(`${what}: ${cost.toFixed(0)} bytes a message\n`);
  assert(cost < most, `${what}: ${cost} bytes a message`);
}
sayOk();
