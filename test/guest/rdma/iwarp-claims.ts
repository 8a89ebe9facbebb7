/** What queue pairs do on iWARP: as elsewhere, and what is different there. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants } from 'node:os';
import { CM_DATA_BYTES, CM_EVENT, rdmacm } from '../../../native/rdmacm.ts';
import { MpiError } from '../../../runtime/base/error.ts';
import { ConnectionManager } from '../../../transports/verbs/connect/connections.ts';
import { VerbsDevice } from '../../../transports/verbs/device/device.ts';
import { VerbsGroup } from '../../conformance/transports/verbs-group.ts';
import type { Claim } from '../../tools/claims.ts';
import {
  closes,
  fills,
  LENGTH,
  leavesNothing,
  moves,
  sends,
  wakes,
  withPair,
} from './device-claims.ts';
import { type Pair, SLOT_BYTES } from './pair.ts';

const { EBADF, EINVAL } = constants.errno;
const LOCAL_WRITE = 1;
const REMOTE_READ = 4;

/** The device that has no datagrams, and whose queue pairs only a connection manager connects. */
function iwarp(): void {
  const device = VerbsDevice.open({ device: 'siw0:1' });
  try {
    assert.equal(device.link, 'iwarp');
    assert.ok(device.software);
    assert.ok(device.reads.out >= 1 && device.reads.in >= 1);
    assert.throws(
      () => device.createDatagramQueue(),
      (error) => error instanceof MpiError && error.code === 'ERR_UNSUPPORTED',
    );
    // Made in advance, since it does not grow: room for what comes in and for hundreds of peers.
    device.openReceiveQueue(SLOT_BYTES).grow(1);
    const manager = new ConnectionManager('siw0', device.reads);
    assert.equal(manager.own.ip, '10.78.0.1');
    assert.ok(manager.own.port > 0);
    manager.close();
    assert.equal(manager.next(), null);
    assert.throws(
      () => new ConnectionManager('siw7', device.reads),
      (error) => error instanceof MpiError && /siw7 has no IP address/.test(error.message),
    );
  } finally {
    device.close();
  }
}

/** Memory that was not exported for it: not written, and the connection is over, for both. */
async function refusedOnIwarp(pair: Pair): Promise<void> {
  const bytes = new Uint8Array(3 * 8192);
  const local = pair.register(bytes.subarray(0, 8192), LOCAL_WRITE);
  const remote = pair.register(bytes.subarray(8192), REMOTE_READ);
  await pair.rdma('write', local.region, local.address, 100, remote.address, remote.key);
  // A WRITE has completed when it is on its way: what becomes of it is told by what follows.
  let answer: number | undefined;
  pair.left.probe((result) => {
    answer = result;
  });
  await pair.until('the end of the connection', () => pair.ended > 0 || pair.errors.length > 0);
  // siw forgets what a program posts once the connection has ended: told when the queue pair is closed.
  pair.left.close();
  assert.ok(answer !== undefined, 'the probe is told nothing');
  assert.ok(answer < 0, `the result is ${answer}`);
  assert.ok(bytes.every((byte) => byte === 0));
}

/** Every number and address from JavaScript is checked before librdmacm sees it. */
function checks(): void {
  const native = rdmacm();
  const channel = native.rdmacmOpen();
  const [event, data] = [new Int32Array(CM_EVENT.words), new Uint8Array(CM_DATA_BYTES)];
  try {
    for (const wrong of [-1, 99, Number.NaN]) {
      assert.equal(native.rdmacmFd(wrong), -EBADF);
      assert.equal(native.rdmacmNext(wrong, event, data), -EBADF);
      assert.equal(native.rdmacmClose(wrong), -EBADF);
      assert.equal(native.rdmacmRoute(channel, wrong, 100), -EBADF);
      assert.equal(native.rdmacmConnect(channel, wrong, 1, 1, 1, data, 8), -EBADF);
      assert.equal(native.rdmacmAccept(channel, wrong, 1, 1, 1, data, 8), -EBADF);
      assert.equal(native.rdmacmReject(channel, wrong), -EBADF);
      assert.equal(native.rdmacmDestroy(channel, wrong), -EBADF);
    }
    for (const wrong of ['', 'localhost', '10.78.0.256', '10.78.0.1:80', ':::'])
      assert.equal(native.rdmacmListen(channel, wrong, 1), -EINVAL, wrong);
    for (const port of [-1, 65536, Number.NaN])
      assert.equal(native.rdmacmResolve(channel, '10.78.0.1', '10.78.0.1', port, 100), -EINVAL);
    assert.ok((native.rdmacmListen(channel, '192.0.2.7', 1) as number) < 0, 'no address of ours');
    const end = native.rdmacmResolve(channel, '10.78.0.1', '10.78.0.1', 9, 100);
    assert.ok(end >= 0);
    assert.equal(native.rdmacmConnect(channel, end, 1, 1, 1, data, 256), -EINVAL);
    assert.equal(native.rdmacmConnect(channel, end, -1, 1, 1, data, 8), -EINVAL);
    assert.equal(native.rdmacmConnect(channel, end, 1, 300, 1, data, 8), -EINVAL);
    assert.equal(native.rdmacmNext(channel, new Int32Array(2), data), -EBADF);
    assert.equal(native.rdmacmNext(channel, event, new Uint8Array(8)), -EBADF);
  } finally {
    assert.equal(native.rdmacmClose(channel), 0);
  }
  assert.equal(native.rdmacmClose(channel), -EBADF);
}

/**
 * READs with SENDs behind them that are over before: what a READ brings is there when it is told, and a
 * SEND's memory is not free before.
 */
async function overtakes(pair: Pair): Promise<void> {
  const mine = new Uint8Array(LENGTH);
  const theirs = new Uint8Array(LENGTH);
  const local = pair.register(mine, LOCAL_WRITE);
  const remote = pair.register(theirs, LOCAL_WRITE | REMOTE_READ);
  for (let round = 1; round <= 8; round++) {
    theirs.fill(round);
    let told = 0;
    for (let i = 0; i < 3; i++) {
      const answer = pair.left.rdma(
        'read',
        local.region,
        local.address + i * 1000,
        LENGTH - 2000,
        remote.address,
        remote.key,
        (moved) => {
          assert.equal(moved, LENGTH - 2000);
          const last = mine[i * 1000 + LENGTH - 2001];
          assert.equal(last, round, `the end of READ ${i} was told before it had come`);
          told += 1;
        },
      );
      assert.equal(answer, 0);
      assert.equal(pair.left.send(pair.area, 0, 8, true, true), 0);
    }
    await pair.until('the READs', () => told === 3);
    await pair.until('the SENDs', () => pair.left.outstanding === 0);
  }
  assert.equal(pair.received.length, 24);
  assert.deepEqual(pair.errors, []);
}

/** One end closes: the other one is told, though nothing of its was under way. */
async function hangsUp(pair: Pair): Promise<void> {
  pair.left.close();
  await pair.until('the end of the connection', () => pair.ended > 0);
  assert.ok(!pair.right.closed);
}

/** For so long the test waits for what TCP by itself would tell after a quarter of an hour. */
const SILENCE_PATIENCE_MS = 60_000;
const muted = (how: 'add' | 'del') =>
  execFileSync('tc', `qdisc ${how} dev lo root netem loss 100%`.split(' '));

/** The network carries nothing any more, and says nothing: each rank is told that its peer has failed. */
async function missesPeers(): Promise<void> {
  const group = new VerbsGroup(2);
  const lost: string[] = [];
  const handlers = group.transports.map((_, rank) => ({
    onPacket() {},
    onPeerError: (peer: number, error: Error) =>
      void lost.push(`${rank} ${peer} ${error instanceof MpiError ? error.code : error.message}`),
  }));
  try {
    group.meet(0, 1);
    muted('add');
    const end = performance.now() + SILENCE_PATIENCE_MS;
    while (lost.length < 2 && performance.now() < end)
      for (const [rank, transport] of group.transports.entries()) transport.poll(handlers[rank]);
    assert.deepEqual(lost.sort(), ['0 1 ERR_PEER_FAILED', '1 0 ERR_PEER_FAILED']);
  } finally {
    muted('del');
    group.close();
  }
}

export const IWARP_CLAIMS: Claim[] = [
  { name: 'iWARP: the device, and where it listens', check: iwarp },
  { name: 'iWARP: numbers and addresses are checked', check: checks },
  ...[
    withPair('packets of all lengths arrive in order, inline and not', sends),
    withPair('a full send queue says so and loses nothing', fills),
    withPair('RDMA READ and WRITE, and an answer to a probe', moves),
    withPair('a READ is over when its bytes have come, whatever was sent after it', overtakes),
    withPair('RDMA without the right: refused, and the connection ends', refusedOnIwarp),
    withPair('what is under way when a queue pair is closed is told', closes),
    withPair('a completion wakes the sleeper', wakes),
    withPair('the end of a connection is told', hangsUp),
    { name: 'a peer that is not heard any more has failed', check: missesPeers },
    { name: 'a device that is closed leaves nothing', check: leavesNothing },
  ].map((claim) => ({ ...claim, name: `iWARP: ${claim.name}` })),
];
