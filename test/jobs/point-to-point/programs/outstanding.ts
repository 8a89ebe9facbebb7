/** `outstanding REQUESTS`: so many requests under way at once, receives first, then sends first. */
import { MPI, Request } from '../../../../runtime/index.ts';
import { assert, sayOk } from '../../lib.ts';
import { inUse } from './in-use.ts';

const { world } = MPI;
const COUNT = Number(process.argv[2]);
const TAGS = 1000;
const GROWTH_MAX = 16 * 2 ** 20;
const numbers = new Float64Array(COUNT);
const part = (i: number) => numbers.subarray(i, i + 1);
const all = (start: (i: number) => Request) => Array.from({ length: COUNT }, (_, i) => start(i));

/** Messages with one tag keep their order; the tags' own order is reversed. */
const place = (i: number) => TAGS - 1 - (i % TAGS) + Math.floor(i / TAGS) * TAGS;

function check(): void {
  for (let i = 0; i < COUNT; i++) if (numbers[i] !== i) assert.fail(`number ${i} is ${numbers[i]}`);
  numbers.fill(0);
}

async function receivesFirst(): Promise<void> {
  if (world.rank === 0) {
    const receives = all((i) => world.irecv(part(i), 1, i % TAGS));
    assert(receives.every((request) => !request.done));
    await world.barrier();
    Request.waitAll(receives);
    check();
  } else {
    await world.barrier();
    for (let i = 0; i < COUNT; i++) await world.send(Float64Array.of(place(i)), 0, place(i) % TAGS);
  }
}

async function sendsFirst(): Promise<void> {
  if (world.rank === 0) {
    await world.barrier();
    for (let i = 0; i < COUNT; i++) world.recvSync(part(place(i)), 1, place(i) % TAGS);
    check();
  } else {
    for (let i = 0; i < COUNT; i++) numbers[i] = i;
    const sends = all((i) => world.issend(part(i), 0, i % TAGS));
    assert(sends.every((request) => !request.done));
    await world.barrier();
    for (let left = COUNT; left > 0; ) left -= Request.waitSome(sends).length;
  }
}

await receivesFirst();
const before = await inUse();
for (const phase of [sendsFirst, receivesFirst, sendsFirst]) await phase();
await world.barrier();
const growth = (await inUse()) - before;
assert(growth < GROWTH_MAX, `${growth} bytes more are in use than after the first time`);
sayOk();
