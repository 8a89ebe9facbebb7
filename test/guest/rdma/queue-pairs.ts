/** What a device and its queue pairs do, on a real kernel. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { addon, packageRoot } from '../../../native/addon.ts';
import { verbs } from '../../../native/verbs.ts';
import { MpiError } from '../../../runtime/base/error.ts';
import { VerbsDevice } from '../../../transports/verbs/device/device.ts';
import type { Case } from '../cases.ts';
import { DEPTH, INLINE_BYTES, Pair, SLOT_BYTES } from './pair.ts';

const { EACCES, EAGAIN, EBADF, ECANCELED, EFAULT, EINVAL, EMSGSIZE } = constants.errno;
export const LOCAL_WRITE = 1;
const REMOTE_WRITE = 2;
export const REMOTE_READ = 4;
export const LENGTH = 1 << 20;

type Check = (pair: Pair) => void | Promise<void>;

export function withPair(name: string, check: Check): Case {
  return {
    name,
    async check() {
      const pair = new Pair();
      try {
        await check(pair);
      } finally {
        pair.close();
      }
    },
  };
}

function chooses(): void {
  const device = VerbsDevice.open({ device: 'rxe0:1' });
  assert.equal(device.name, 'rxe0');
  assert.equal(device.link, 'ethernet');
  assert.equal(device.gid, '00000000000000000000ffff7f000001');
  assert.ok(device.software);
  assert.ok([1024, 2048, 4096].includes(device.mtu));
  device.close();
  const unsupported = (pattern: RegExp) => (error: unknown) =>
    error instanceof MpiError && error.code === 'ERR_UNSUPPORTED' && pattern.test(error.message);
  assert.throws(() => VerbsDevice.open({ device: 'mlx5_7' }), unsupported(/rxe0:1/));
  assert.throws(() => VerbsDevice.open({ gidIndex: 200 }), unsupported(/no GID 200/));
}

/** Longer and shorter than what goes inline, more than the queues hold, in order. */
export async function sends(pair: Pair): Promise<void> {
  const { area, left, right, received } = pair;
  assert.ok(left.inlineBytes >= 64, `${left.inlineBytes} bytes go inline`);
  const rounds = 10 * DEPTH;
  for (let i = 0; i < rounds; i++) {
    const length = i % 2 === 0 ? 8 : SLOT_BYTES;
    const offset = (i % DEPTH) * SLOT_BYTES;
    // One under way: there are fewer slots than rounds.
    area.bytes.fill(i, offset, offset + length);
    assert.equal(left.send(area, offset, length, length === 8), 0);
    await pair.until('a packet', () => received.length === i + 1);
  }
  for (const [i, { queue, bytes }] of received.entries()) {
    assert.equal(queue, right);
    assert.equal(bytes.length, i % 2 === 0 ? 8 : SLOT_BYTES);
    assert.ok(bytes.every((byte) => byte === (i & 0xff)));
  }
  assert.ok(left.outstanding < DEPTH / 2, `${left.outstanding} requests are not known to be over`);
  pair.receives.flush();
  assert.equal(pair.receives.waiting, 0);
}

/** A full queue says so, loses nothing, and has room when completions have been taken. */
export async function fills(pair: Pair): Promise<void> {
  const { area, left, received } = pair;
  let sent = 0;
  area.bytes.fill(7);
  while (left.send(area, 0, 8, true) === 0) sent += 1;
  assert.equal(sent, left.depth);
  assert.equal(left.send(area, 0, 8, true), -EAGAIN);
  assert.equal(
    left.probe(() => {}),
    -EAGAIN,
  );
  await pair.until('all packets', () => received.length === sent);
  await pair.until('completions', () => left.outstanding < left.depth);
  assert.equal(left.send(area, 0, 8, true, true), 0);
  await pair.until('all completions', () => left.outstanding === 0);
}

export async function moves(pair: Pair): Promise<void> {
  const mine = new Uint8Array(LENGTH);
  const theirs = new Uint8Array(LENGTH);
  const local = pair.register(mine, LOCAL_WRITE);
  const remote = pair.register(theirs, LOCAL_WRITE | REMOTE_WRITE | REMOTE_READ);
  for (let i = 0; i < 5; i++) {
    theirs.fill(i + 1);
    const read = await pair.rdma(
      'read',
      local.region,
      local.address,
      LENGTH,
      remote.address,
      remote.key,
    );
    assert.equal(read, LENGTH);
    assert.ok(mine.every((byte) => byte === i + 1));
    mine.fill(i + 100);
    const at = 5000;
    const wrote = await pair.rdma(
      'write',
      local.region,
      local.address + at,
      3,
      remote.address + at,
      remote.key,
    );
    assert.equal(wrote, 3);
    let placed = false;
    pair.placed(pair.left, () => {
      placed = true;
    });
    await pair.until('the bytes', () => placed);
    assert.deepEqual(
      [...theirs.subarray(at - 1, at + 4)],
      [i + 1, i + 100, i + 100, i + 100, i + 1],
    );
  }
  let answered: number | undefined;
  pair.left.probe((result) => {
    answered = result;
  });
  await pair.until('the answer to a probe', () => answered !== undefined);
  assert.ok(answered! >= 0, `the answer is ${answered}`);
  assert.equal(pair.device.deregister(remote.region), 0);
  assert.equal(pair.device.deregister(remote.region), -EBADF);
  assert.deepEqual(pair.errors, []);
}

/** Registers [0, 8192) and asks for something that the registration does not give. */
async function refused(pair: Pair, access: number, key: (key: number) => number): Promise<void> {
  const bytes = new Uint8Array(3 * 8192);
  const local = pair.register(bytes.subarray(0, 8192), LOCAL_WRITE);
  const remote = pair.register(bytes.subarray(8192), access);
  const result = await pair.rdma(
    'write',
    local.region,
    local.address,
    100,
    remote.address,
    key(remote.key),
  );
  assert.ok(result === -EACCES || result === -EINVAL, `the result is ${result}`);
  assert.ok(bytes.every((byte) => byte === 0));
  await pair.until('the error', () => pair.errors.length > 0);
  const error = pair.errors[0]!;
  assert.equal(error.code, 'ERR_PEER_FAILED');
  assert.match(error.message, /(rxe|siw)0: /);
  assert.equal(pair.left.send(pair.area, 0, 8, true), -ECANCELED);
}

/** What is under way when a connection is ended is told, once each. */
export async function flushes(pair: Pair): Promise<void> {
  const results: number[] = [];
  const bytes = new Uint8Array(LENGTH);
  const local = pair.register(bytes, LOCAL_WRITE | REMOTE_READ);
  // Nobody answers: what is posted stays under way.
  pair.right.fail();
  for (let i = 0; i < 4; i++)
    pair.left.rdma(
      'read',
      local.region,
      local.address,
      LENGTH,
      local.address,
      local.key,
      (result) => results.push(result),
    );
  pair.left.fail();
  await pair.until('all results', () => results.length === 4);
  assert.deepEqual(results, new Array(4).fill(-ECANCELED));
  assert.deepEqual(pair.errors, []);
  pair.left.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  pair.device.poll();
  assert.equal(results.length, 4);
}

/** Every pointer and number from JavaScript is checked before the device sees it. */
function checks(pair: Pair): void {
  const { area, left, device } = pair;
  assert.equal(left.send(area, area.bytes.length - 4, 8, true), -EFAULT);
  assert.equal(left.send(area, -8, 8, false), -EFAULT);
  assert.equal(left.send(area, Number.NaN, 8, false), -EFAULT);
  const local = pair.register(new Uint8Array(8192), LOCAL_WRITE);
  const nobody = () => assert.fail('nothing was posted');
  assert.equal(left.rdma('read', local.region, local.address - 1, 8, 0, 0, nobody), -EFAULT);
  assert.equal(left.rdma('read', local.region, local.address + 8190, 8, 0, 0, nobody), -EFAULT);
  assert.equal(left.rdma('read', 4711, local.address, 8, 0, 0, nobody), -EFAULT);
  assert.equal(left.rdma('read', local.region, local.address, 8, Number.NaN, 0, nobody), -EFAULT);
  const length = device.messageBytesMax + 1;
  assert.equal(left.rdma('read', local.region, local.address, length, 0, 0, nobody), -EMSGSIZE);
  assert.equal(device.register(4096, 4096, LOCAL_WRITE), -EFAULT);
  for (const id of [-1, 1e9, Number.NaN]) assert.ok(verbs().verbsPoll(id, 1) <= 0, `device ${id}`);
  assert.equal(verbs().verbsPost(0, 99), -EBADF);
  assert.deepEqual(pair.errors, []);
  assert.equal(left.outstanding, 0);
}

/** A completion wakes whoever sleeps on the descriptor. */
export async function wakes(pair: Pair): Promise<void> {
  const { device, area, left, received } = pair;
  device.arm();
  device.poll();
  assert.equal(addon().pollReadable(device.wakeFd, 0), 0);
  area.bytes.fill(1);
  assert.equal(left.send(area, 0, 8, true), 0);
  assert.equal(addon().pollReadable(device.wakeFd, 5000), 1);
  device.disarm();
  assert.equal(addon().pollReadable(device.wakeFd, 0), 0);
  await pair.until('the packet', () => received.length === 1);
}

async function datagrams(pair: Pair): Promise<void> {
  const { device } = pair;
  const [one, two] = [device.createDatagramQueue(), device.createDatagramQueue()];
  const got: [string, number][] = [];
  two.onDatagram = (bytes, source) => got.push([Buffer.from(bytes).toString(), source]);
  const to = { number: two.number, lid: device.lid, gid: device.gid };
  // More than its slots, so that they are used again.
  for (let i = 0; i < 200; i++) {
    assert.ok(one.send(to, Buffer.from(`number ${i}`)));
    await pair.until(`datagram ${i}`, () => got.length === i + 1);
  }
  assert.deepEqual(got[199], ['number 199', one.number]);
  one.close();
  two.close();
}

/** What is under way when a queue pair is destroyed is told before `close` returns. */
export function closes(pair: Pair): void {
  let result: number | undefined;
  pair.right.fail();
  pair.left.probe((moved) => {
    result = moved;
  });
  pair.left.close();
  assert.equal(result, -ECANCELED);
  assert.equal(pair.left.send(pair.area, 0, 8, true), -ECANCELED);
  assert.deepEqual(pair.errors, []);
}

/** Queue pairs made and closed again and again: nothing stays, and no name is mistaken for another. */
async function renews(pair: Pair): Promise<void> {
  const { device } = pair;
  for (let i = 0; i < 50; i++) {
    const queue = device.createQueuePair({ sendDepth: DEPTH, inlineBytes: INLINE_BYTES });
    assert.equal(queue.send(pair.area, 0, 8, true) < 0, true, 'sent without a connection');
    queue.close();
  }
  assert.equal(device.queues, 2);
  await sends(pair);
}

/** A peer that does not exist: an error after the retries, which name what to look at. */
async function vanished(pair: Pair): Promise<void> {
  const { device } = pair;
  const queue = device.createQueuePair({ sendDepth: DEPTH, inlineBytes: INLINE_BYTES });
  let error: MpiError | undefined;
  queue.onError = (seen) => {
    error = seen;
  };
  const { lid, gid, mtu } = device;
  queue.connect({ number: 0xfff0, psn: 1, lid, gid, mtu }, 1);
  let result: number | undefined;
  queue.probe((moved) => {
    result = moved;
  });
  await pair.until('the error', () => result !== undefined && error !== undefined);
  assert.ok(result! < 0);
  assert.match(error!.message, /no answer from the peer/);
  assert.equal(error!.code, 'ERR_PEER_FAILED');
}

/** A worker that ends leaves nothing open: its devices go with its environment. */
async function worker(): Promise<void> {
  const file = join(packageRoot(), 'dist/programs/guest/rdma/programs/worker.js');
  for (let i = 0; i < 3; i++) {
    const thread = new Worker(file);
    await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject));
    await thread.terminate();
  }
  assert.doesNotMatch(resources(), /comm node/);
}

/** What the kernel knows of this process's RDMA resources. */
function resources(): string {
  return ['qp', 'mr', 'cq', 'pd']
    .map((kind) => spawnSync('rdma', ['resource', 'show', kind], { encoding: 'utf8' }).stdout)
    .join('')
    .split('\n')
    .filter((line) => line.includes(`pid ${process.pid} `))
    .join('\n');
}

export function leavesNothing(): void {
  const pair = new Pair();
  pair.register(new Uint8Array(LENGTH), LOCAL_WRITE);
  if (pair.device.link !== 'iwarp') pair.device.createDatagramQueue();
  assert.match(resources(), /comm node/, 'what is open is not seen');
  pair.close();
  pair.close();
  assert.doesNotMatch(resources(), /comm node/);
  assert.equal(pair.device.poll(), 0);
  assert.equal(pair.device.takeEvent(), null);
}

export const DEVICE_CASES: Case[] = [
  { name: 'the device, port and GID are chosen, or it is said what there is', check: chooses },
  withPair('packets of all lengths arrive in order, inline and not', sends),
  withPair('a full send queue says so and loses nothing', fills),
  withPair('RDMA READ and WRITE', moves),
  withPair('RDMA without the right: refused, and an error', (pair) =>
    refused(pair, LOCAL_WRITE | REMOTE_READ, (key) => key),
  ),
  withPair('RDMA by a wrong key: refused, and an error', (pair) =>
    refused(pair, LOCAL_WRITE | REMOTE_WRITE, (key) => key ^ 0x5500),
  ),
  withPair('what is under way when a connection ends is told', flushes),
  withPair('what is under way when a queue pair is closed is told', closes),
  withPair('pointers and numbers are checked', checks),
  withPair('a completion wakes the sleeper', wakes),
  withPair('datagrams', datagrams),
  withPair('queue pairs again and again', renews),
  withPair('a peer that is not there is an error', vanished),
  { name: 'a device that is closed leaves nothing', check: leavesNothing },
  { name: 'a worker that ends leaves nothing', check: worker },
];
