/** Our queue pairs with peers that are none of ours: libibverbs alone, and ibv_rc_pingpong. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { addon } from '../../../native/addon.ts';
import type { ReceiveQueue, SendArea } from '../../../transports/verbs/device/areas.ts';
import type { QueueAddress } from '../../../transports/verbs/device/attributes.ts';
import { VerbsDevice } from '../../../transports/verbs/device/device.ts';
import type { QueuePair } from '../../../transports/verbs/device/queue-pair.ts';
import type { Case } from '../cases.ts';

const LENGTH = 256 * 1024;
const SLOT_BYTES = 4096;
const SLOTS = 16;
const PSN = 0x77;
const ACCESS_ALL = 1 | 2 | 4;
const PATIENCE_MS = 120_000;
/** IBV_WC_REM_ACCESS_ERR. */
const REMOTE_ACCESS_ERROR = 10;

/** One queue pair of ours, and memory that its peer may reach. */
class Ours {
  readonly device = VerbsDevice.open();
  readonly receives: ReceiveQueue = this.device.openReceiveQueue(SLOT_BYTES);
  readonly area: SendArea;
  readonly queue: QueuePair;
  readonly memory = new Uint8Array(LENGTH);
  readonly address = addon().addressOf(this.memory);
  readonly region: number;
  /** Lengths of the packets that came. */
  readonly received: number[] = [];
  readonly errors: Error[] = [];

  constructor() {
    this.receives.grow(SLOTS);
    this.area = this.device.openSendArea(SLOT_BYTES);
    this.queue = this.device.createQueuePair({ sendDepth: 16, inlineBytes: 0 });
    this.queue.onError = (error) => this.errors.push(error);
    this.region = this.device.register(this.address, LENGTH, ACCESS_ALL);
    assert.ok(this.region >= 0);
    this.device.onReceive = (_queue, slot, bytes) => {
      this.received.push(bytes);
      this.receives.post(slot);
    };
  }

  get key(): number {
    return this.device.rkeyOf(this.region);
  }

  async until(what: string, so: () => boolean): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!so()) {
      if (this.device.poll() > 0) continue;
      if (this.errors.length > 0) throw this.errors[0];
      if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
      await new Promise(setImmediate);
    }
  }

  async rdma(kind: 'read' | 'write', remote: { address: number; key: number }): Promise<number> {
    let result: number | undefined;
    const done = (moved: number) => {
      result = moved;
    };
    const { region, address } = this;
    const { address: there, key } = remote;
    assert.equal(this.queue.rdma(kind, region, address, LENGTH, there, key, done), 0);
    await this.until(`RDMA ${kind}`, () => result !== undefined);
    return result!;
  }
}

/** The C program, connected with a queue pair of ours. */
class BarePeer {
  readonly ours = new Ours();
  remote = { address: 0, key: 0 };
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(program: string) {
    const { name, gidIndex } = this.ours.device;
    this.#child = spawn(program, [name, String(gidIndex)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  async join(): Promise<void> {
    const { device, queue, address, key } = this.ours;
    const words = (await this.#line()).split(' ');
    const [lid, number, psn, , theirAddress, theirKey, mtu] = words.map((word) =>
      Number.parseInt(word, 16),
    );
    this.remote = { address: theirAddress, key: theirKey };
    queue.connect({ lid, number, psn, gid: words[3], mtu }, PSN);
    const numbers = [device.lid, queue.number, PSN].map((value) => value.toString(16));
    const memory = [address, key, device.mtu].map((value) => value.toString(16));
    assert.equal(await this.ask([...numbers, device.gid, ...memory].join(' ')), 'joined');
  }

  async ask(line: string): Promise<string> {
    this.#child.stdin!.write(`${line}\n`);
    return this.#line();
  }

  async close(): Promise<void> {
    this.#child.stdin!.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    this.ours.device.close();
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the peer has ended');
    return value;
  }
}

type Check = (peer: BarePeer) => Promise<void>;

function withPeer(program: string, name: string, check: Check): Case {
  return {
    name,
    async check() {
      const peer = new BarePeer(program);
      try {
        await peer.join();
        await check(peer);
        assert.deepEqual(peer.ours.errors, []);
      } finally {
        await peer.close();
      }
    },
  };
}

async function weReadAndWrite(peer: BarePeer): Promise<void> {
  const { ours, remote } = peer;
  await peer.ask('fill 17');
  assert.equal(await ours.rdma('read', remote), LENGTH);
  assert.ok(ours.memory.every((byte) => byte === 17));
  ours.memory.fill(34);
  assert.equal(await ours.rdma('write', remote), LENGTH);
  assert.equal(await peer.ask('show'), 'same 34');
}

async function itReadsAndWrites(peer: BarePeer): Promise<void> {
  const { ours } = peer;
  ours.memory.fill(51);
  assert.equal(await peer.ask('read'), 'STATUS 0');
  assert.equal(await peer.ask('show'), 'same 51');
  await peer.ask('fill 68');
  assert.equal(await peer.ask('write'), 'STATUS 0');
  assert.ok(ours.memory.every((byte) => byte === 68));
}

/** What is deregistered is out of its reach. */
async function itIsRefused(peer: BarePeer): Promise<void> {
  const { ours } = peer;
  ours.memory.fill(85);
  assert.equal(ours.device.deregister(ours.region), 0);
  assert.equal(await peer.ask('write'), `STATUS ${REMOTE_ACCESS_ERROR}`);
  assert.ok(ours.memory.every((byte) => byte === 85));
}

// ---- ibv_rc_pingpong

const ITERATIONS = 20;
const BYTES = 2048;
const PINGPONG_MTU = 1024;
/** What it sends over TCP, with the C string's zero. */
const WORD = /^([0-9a-f]{4}):([0-9a-f]{6}):([0-9a-f]{6}):([0-9a-f]{32})\0/i;
const WORD_BYTES = 52;

function wordOf({ device, queue }: Ours): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  return `${hex(device.lid, 4)}:${hex(queue.number, 6)}:${hex(PSN, 6)}:${device.gid}\0`;
}

async function takeWord(socket: Socket): Promise<QueueAddress> {
  let text = '';
  while (text.length < WORD_BYTES) {
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    text += bytes.toString('latin1');
  }
  const match = WORD.exec(text);
  assert.ok(match, JSON.stringify(text));
  const [lid, number, psn] = match.slice(1, 4).map((word) => Number.parseInt(word, 16));
  return { lid, number, psn, gid: match[4], mtu: PINGPONG_MTU };
}

/** The side that sends first is the client. */
async function play(ours: Ours, first: boolean): Promise<void> {
  for (let i = 0; i < ITERATIONS; i++) {
    if (!first) await ours.until('its message', () => ours.received.length > i);
    assert.equal(ours.queue.send(ours.area, 0, BYTES, false, true), 0);
    if (first) await ours.until('its answer', () => ours.received.length > i);
  }
  await ours.until('the last of ours', () => ours.queue.outstanding === 0);
  assert.deepEqual(ours.received, new Array(ITERATIONS).fill(BYTES));
}

function pingpong(ours: Ours, port: number, words: string[]) {
  const { name, gidIndex } = ours.device;
  const options = ['-d', name, '-g', String(gidIndex), '-p', String(port)];
  const sizes = ['-n', String(ITERATIONS), '-s', String(BYTES), '-m', String(PINGPONG_MTU)];
  const child = spawn('ibv_rc_pingpong', [...options, ...sizes, ...words]);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes) => {
      output += bytes;
    });
  const ended = once(child, 'close').then(([status]) => {
    assert.equal(status, 0, output);
    assert.match(output, new RegExp(`^${ITERATIONS} iters in`, 'm'));
  });
  return { child, ended };
}

async function asItsClient(): Promise<void> {
  const ours = new Ours();
  const port = 18600;
  const { child, ended } = pingpong(ours, port, []);
  try {
    const socket = await untilListening(port);
    socket.write(wordOf(ours));
    ours.queue.connect(await takeWord(socket), PSN);
    socket.write('done\0');
    await play(ours, true);
    await ended;
    socket.destroy();
  } finally {
    child.kill();
    ours.device.close();
  }
}

async function untilListening(port: number): Promise<Socket> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(50);
    }
  }
}

async function asItsServer(): Promise<void> {
  const ours = new Ours();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { child, ended } = pingpong(ours, (server.address() as AddressInfo).port, ['127.0.0.1']);
  try {
    const [socket] = (await once(server, 'connection')) as [Socket];
    ours.queue.connect(await takeWord(socket), PSN);
    socket.write(wordOf(ours));
    await once(socket, 'data');
    await play(ours, false);
    await ended;
  } finally {
    child.kill();
    server.close();
    ours.device.close();
  }
}

/** @param program bare-peer.c, compiled */
export const interopCases = (program: string): Case[] => [
  withPeer(program, 'libibverbs alone: we READ and WRITE its memory', weReadAndWrite),
  withPeer(program, 'libibverbs alone: it READs and WRITEs ours', itReadsAndWrites),
  withPeer(program, 'libibverbs alone: it does not reach what we deregistered', itIsRefused),
  { name: 'ibv_rc_pingpong as our server', check: asItsClient },
  { name: 'ibv_rc_pingpong as our client', check: asItsServer },
];
