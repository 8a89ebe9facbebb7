/** RDMA without a device: connections that are set up by datagrams that get lost, credits, and peers that send garbage. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { MpiError } from '../../../../runtime/base/error.ts';
import type { MemoryOperation } from '../../../../transports/packets/ports.ts';
import { EVENTS_MS, HEARTBEAT_MS } from '../../../../transports/packets/transport.ts';
import { ACCESS_KEY, type Packet } from '../../../../transports/transport.ts';
import {
  Handshake,
  HELLO_NOTE_MS,
  type Host,
} from '../../../../transports/verbs/connect/handshake.ts';
import { CLOCK_POLLS, VERBS_SLOT_BYTES } from '../../../../transports/verbs/layout.ts';
import { PORT_DOWN_MS } from '../../../../transports/verbs/liveness.ts';
import { VerbsTransport } from '../../../../transports/verbs/transport.ts';
import { localJobs } from '../../../conformance/transports/verbs-group.ts';
import { filled, verify } from '../../../tools/bytes.ts';
import { Random } from '../../../tools/random.ts';
import { Fabric, SimulatedDevice, type SimulatedQueue } from './simulated.ts';

const NONE = new Uint8Array(0);
const SEEDS = Array.from({ length: 60 }, (_, seed) => seed);

describe('two ranks meet', () => {
  class End {
    readonly device: SimulatedDevice;
    readonly handshake: Handshake;
    readonly #ends: End[];
    queue: SimulatedQueue | null = null;
    ready = 0;
    readonly silent: number[] = [];

    constructor(rank: number, ends: End[], fabric: Fabric, now: () => number) {
      this.device = new SimulatedDevice(fabric);
      this.#ends = ends;
      const host: Host = {
        rank,
        size: 2,
        jobId: 'a test',
        invite: (peer) => this.begin(peer),
        ready: () => this.ready++,
        failed(_peer, error) {
          throw error;
        },
        silent: (peer) => this.silent.push(peer),
      };
      this.handshake = new Handshake(this.device, host, now);
    }

    begin(peer: number): void {
      if (this.queue !== null) return;
      this.queue = this.device.createQueuePair({ sendDepth: 8, inlineBytes: 0 });
      this.handshake.begin(peer, this.queue, this.#ends[peer].handshake.address);
    }
  }

  test.each(SEEDS)('though datagrams are lost, late and repeated (seed %i)', (seed) => {
    const random = new Random(seed);
    const fabric = new Fabric({ random, lost: 60, repeated: 40 });
    let clock = 0;
    const ends: End[] = [];
    for (const rank of [0, 1]) ends.push(new End(rank, ends, fabric, () => clock));
    ends[0].begin(1);
    // The other one begins as well, or is only asked.
    if (seed % 2) ends[1].begin(0);
    for (let i = 0; i < 100_000 && !ends.every(({ ready }) => ready > 0); i++) {
      clock += random.below(20);
      fabric.deliverOne();
      // Strangers' datagrams come too.
      const noise = filled(random.below(100), i);
      if (i % 7 === 0) fabric.throw(ends[i % 2].handshake.address, noise);
      for (const { handshake } of ends) handshake.progress();
    }
    // Each once, and each end is connected with the other.
    expect(ends.map(({ ready }) => ready)).toEqual([1, 1]);
    expect(ends.map(({ queue }) => queue?.remote)).toEqual([
      ends[1].queue?.number,
      ends[0].queue?.number,
    ]);
    expect(ends.every(({ handshake }) => !handshake.pending)).toBe(true);
  });

  test('one that does not answer is spoken of once, and met all the same when it does', () => {
    const fabric = new Fabric({ random: new Random(1) });
    let clock = 0;
    const ends: End[] = [];
    for (const rank of [0, 1]) ends.push(new End(rank, ends, fabric, () => clock));
    ends[0].begin(1);
    const wait = (until: number, each: () => void) => {
      for (; clock < until; clock += 100) {
        ends[0].handshake.progress();
        each();
      }
    };
    // A busy rank takes no datagram.
    wait(HELLO_NOTE_MS - 100, () => {});
    expect(ends[0].silent).toEqual([]);
    wait(4 * HELLO_NOTE_MS, () => {});
    expect(ends[0].silent).toEqual([1]);
    wait(5 * HELLO_NOTE_MS, () => fabric.deliverOne());
    expect(ends.map(({ ready }) => ready)).toEqual([1, 1]);
  });
});

/** Ranks over simulated devices, and what comes to each. */
class Ranks {
  readonly fabric: Fabric;
  readonly devices: SimulatedDevice[];
  readonly transports: VerbsTransport[];
  readonly got: { peer: number; tag: number; body: Uint8Array }[][];
  readonly lost: { rank: number; peer: number; error: Error }[] = [];

  constructor(size: number, random: Random) {
    this.fabric = new Fabric({ random });
    const jobs = localJobs(size);
    this.devices = jobs.map(() => new SimulatedDevice(this.fabric));
    this.transports = jobs.map((job, rank) => new VerbsTransport(this.devices[rank], job));
    this.got = jobs.map(() => []);
  }

  poll(rank: number): void {
    this.transports[rank].poll({
      onPacket: (peer: number, packet: Packet) => {
        const body = new Uint8Array(packet.length);
        packet.copyTo(body, 0);
        this.got[rank].push({ peer, tag: packet.tag, body });
      },
      onPeerError: (peer: number, error: Error) => void this.lost.push({ rank, peer, error }),
    });
  }

  pollAll(): void {
    for (const rank of this.transports.keys()) this.poll(rank);
  }

  meet(): void {
    const { length } = this.transports;
    const pairs = this.transports.flatMap((transport, rank) =>
      Array.from({ length }, (_, peer) => peer)
        .filter((peer) => peer !== rank)
        .map((peer) => transport.connect(peer)),
    );
    for (let i = 0; i < 10_000 && pairs.some(({ state }) => state !== 'ready'); i++) this.pollAll();
    expect(pairs.every(({ state }) => state === 'ready')).toBe(true);
  }

  /** The queue pair of one rank to another. */
  queue(rank: number, peer: number): SimulatedQueue {
    return this.transports[rank].connect(peer).queue as SimulatedQueue;
  }
}

/** The clock of the transports: it stands still where it shows a time. */
const clock = vi.hoisted(() => ({ shows: null as number | null }));
vi.mock(import('../../../../runtime/base/clock.ts'), async (original) => {
  const real = await original();
  return { ...real, now: () => clock.shows ?? real.now() };
});

afterEach(() => {
  clock.shows = null;
});

/** Two ranks that have met, with a clock that stands still, and polls of rank 0 that take some of its time. */
function idle() {
  let time = 0;
  clock.shows = time;
  const ranks = new Ranks(2, new Random(3));
  ranks.meet();
  const [device] = ranks.devices;
  const poll = (times: number, milliseconds: number) => {
    for (let i = 0; i < times; i++) {
      for (let polls = 0; polls < CLOCK_POLLS; polls++) ranks.poll(0);
      time += milliseconds;
      clock.shows = time;
    }
  };
  return { ranks, device, poll };
}

describe("a rank that polls and finds nothing looks at its device's events", () => {
  test('no more than once in a while, for each look is a system call', () => {
    const { device, poll } = idle();
    poll(2, EVENTS_MS);
    device.looks = 0;
    poll(20, EVENTS_MS / 10);
    expect(device.looks).toBe(2);
    poll(5, EVENTS_MS);
    expect(device.looks).toBe(7);
  });

  test('and so learns that its port is down', () => {
    const { ranks, device, poll } = idle();
    const error = new MpiError('ERR_PEER_FAILED', 'simulated: port 1 is down');
    device.events.push({ kind: 'port', error, queue: null });
    poll(3, EVENTS_MS);
    expect(ranks.lost).toEqual([]);
    poll(1 + PORT_DOWN_MS / EVENTS_MS, EVENTS_MS);
    expect(ranks.lost).toMatchObject([{ rank: 0, peer: 1, error: { code: 'ERR_PEER_FAILED' } }]);
  });
});

test('a rank that waits asks its peer now and then, except while memory is on its way', () => {
  const { ranks, poll } = idle();
  const queue = ranks.queue(0, 1);
  poll(4, HEARTBEAT_MS);
  expect(queue.probes).toBeGreaterThanOrEqual(3);
  let posted: MemoryOperation | undefined;
  const hold = { release() {} };
  ranks.transports[0].memory = {
    acquire: () => hold,
    post(operation) {
      posted = operation;
      return 0;
    },
  };
  const access = { kind: ACCESS_KEY, low: 4096, high: 0, key: 1, hold: null };
  let moved = false;
  ranks.transports[0].connect(1).pull(access, 0, new Uint8Array(8), 0, 8, () => {
    moved = true;
  });
  queue.probes = 0;
  poll(4, HEARTBEAT_MS);
  expect([queue.probes, moved]).toEqual([0, false]);
  posted?.done(8);
  poll(4, HEARTBEAT_MS);
  expect(queue.probes).toBeGreaterThanOrEqual(3);
  expect(moved).toBe(true);
});

describe('credits', () => {
  test.each(SEEDS.slice(0, 10))(
    'a receiver is always ready, and all comes in order (seed %i)',
    (seed) => {
      const random = new Random(seed);
      const ranks = new Ranks(3, random);
      ranks.meet();
      const sent = [0, 1, 2].map(() => [0, 0, 0]);
      const each = 200;
      const all = 3 * 2 * each;
      for (let i = 0; i < 500_000 && ranks.got.flat().length < all; i++) {
        const from = random.below(3);
        const to = (from + 1 + random.below(2)) % 3;
        const number = sent[from][to];
        const channel = ranks.transports[from].connect(to);
        const body = filled(random.below(channel.maxBody + 1), number);
        if (number < each && channel.trySend(1, 0, number, body, 0, body.length)) sent[from][to]++;
        // Some poll more often than others.
        const poller = random.below(3 + (seed % 3));
        if (poller < 3) ranks.poll(poller);
      }
      expect(ranks.fabric.notReady).toBe(0);
      expect(ranks.lost).toEqual([]);
      for (const [rank, got] of ranks.got.entries())
        for (let peer = 0; peer < 3; peer++) {
          const packets = got.filter((packet) => packet.peer === peer);
          const numbers = Array.from({ length: peer === rank ? 0 : each }, (_, i) => i);
          expect(packets.map(({ tag }) => tag)).toEqual(numbers);
          for (const { tag, body } of packets) verify(body, tag, `packet ${tag} of rank ${peer}`);
        }
    },
  );

  test('nobody sends more than there are slots for, however long the other does not look', () => {
    const ranks = new Ranks(2, new Random(1));
    ranks.meet();
    const channel = ranks.transports[0].connect(1);
    let sent = 0;
    for (let i = 0; i < 1000; i++) if (channel.trySend(1, 0, i, NONE, 0, 0)) sent++;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(100);
    for (let i = 0; i < 1000; i++) ranks.pollAll();
    expect([ranks.fabric.notReady, ranks.lost]).toEqual([0, []]);
    expect(ranks.got[1].length).toBe(sent);
    expect(channel.trySend(1, 0, 0, NONE, 0, 0)).toBe(true);
  });

  test('a rank that polls and never sleeps keeps no peer from returning credit', () => {
    const ranks = new Ranks(2, new Random(2));
    ranks.meet();
    const [to, back] = [ranks.transports[0].connect(1), ranks.transports[1].connect(0)];
    for (let round = 1; round <= 20; round++) {
      back.returnCredit(100);
      for (let i = 0; i < 1000 && to.creditReturned() < 100 * round; i++) {
        back.flush();
        ranks.pollAll();
      }
      expect(to.creditReturned()).toBe(100 * round);
    }
  });
});

describe('a peer that sends garbage is ERR_PROTOCOL, and the others go on', () => {
  const GARBAGE: [string, (random: Random) => Uint8Array][] = [
    ['an empty packet', () => NONE],
    ['less than a header', (random) => filled(1 + random.below(15), 1)],
    [
      'a header that acknowledges what was not sent',
      () => Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0),
    ],
    [
      'extension words that are not there',
      () => Uint8Array.of(1, 0, 0, 128, ...new Array(12).fill(0)),
    ],
    ['an unknown control packet', () => Uint8Array.of(99, 0, 0, 64, ...new Array(12).fill(0))],
  ];

  function check(bytes: Uint8Array): Ranks {
    const ranks = new Ranks(3, new Random(3));
    ranks.meet();
    ranks.queue(1, 0).inject(bytes);
    for (let i = 0; i < 100; i++) ranks.poll(0);
    return ranks;
  }

  test.each(GARBAGE)('%s', (_name, make) => {
    const ranks = check(make(new Random(4)));
    expect(
      ranks.lost.map(({ rank, peer, error }) => [rank, peer, (error as MpiError).code]),
    ).toEqual([[0, 1, 'ERR_PROTOCOL']]);
    expect(ranks.lost[0].error).toBeInstanceOf(MpiError);
    expect(ranks.lost[0].error.message).toMatch(/rank 1 sent/);
    ranks.transports[2].connect(0).trySend(1, 0, 5, NONE, 0, 0);
    for (let i = 0; i < 100; i++) ranks.poll(0);
    expect(ranks.got[0].map(({ peer, tag }) => [peer, tag])).toEqual([[2, 5]]);
  });

  test('more packets than it has credit for', () => {
    const ranks = new Ranks(2, new Random(5));
    ranks.meet();
    for (let i = 0; i < 40; i++)
      ranks.queue(1, 0).inject(Uint8Array.of(1, ...new Array(15).fill(0)));
    // They come, and nothing is taken.
    for (let i = 0; i < 100; i++) ranks.devices[0].poll();
    for (let i = 0; i < 100; i++) ranks.poll(0);
    expect(ranks.lost.map(({ error }) => (error as MpiError).code)).toEqual(['ERR_PROTOCOL']);
  });

  test('random bytes, thousands of packets: an error or packets, never a crash', () => {
    const random = new Random(6);
    let refused = 0;
    for (let round = 0; round < 300; round++) {
      const bytes = filled(random.below(VERBS_SLOT_BYTES + 1), round);
      // What looks like one of ours gets further.
      if (round % 2 && bytes.length > 16) bytes.fill(0, 8, 16);
      const { lost } = check(bytes);
      refused += lost.length;
      for (const { error } of lost) expect((error as MpiError).code).toBe('ERR_PROTOCOL');
    }
    expect(refused).toBeGreaterThan(100);
  });
});
