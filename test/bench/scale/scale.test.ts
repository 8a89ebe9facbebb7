import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import type { MpiError } from '../../../runtime/base/error.ts';
import { KVS_BYTES_MAX } from '../../../runtime/launch/pmi/server.ts';
import type { DatagramAddress } from '../../../transports/verbs/connect/datagram.ts';
import {
  Handshake,
  HELLO_FIRST_MS,
  HELLO_LAST_MS,
} from '../../../transports/verbs/connect/handshake.ts';
import type { PacketDevice, PacketQueue } from '../../../transports/verbs/ports.ts';
import { bytesOf, estimate, PINNED_PER_PEER, peersMax } from './arithmetic.ts';
import { type Costs, readCosts } from './costs.ts';
import { Lane, runLanes } from './lanes.ts';
import { gridOf, PATTERNS, type Pattern } from './patterns.ts';
import { delaysUs, type SetupOptions, simulateSetup } from './setup.ts';

const costs = readCosts();
const pattern = (name: string): Pattern => PATTERNS.find((one) => one.name === name)!;

function pairsOf(of: Pattern, ranks: number): [number, number, boolean][] {
  const pairs: [number, number, boolean][] = [];
  of.pairs(ranks, (from, to, both) => pairs.push([from, to, both]));
  return pairs;
}

describe('patterns', () => {
  const cases = PATTERNS.flatMap((of) => [2, 3, 8, 100, 343].map((ranks) => ({ of, ranks })));

  test.each(cases)(
    '$of.name of $ranks: pairs are of two, met once, and as many as told',
    ({ of, ranks }) => {
      const peers = Array.from({ length: ranks }, () => new Set<number>());
      for (const [from, to] of pairsOf(of, ranks)) {
        expect(from).not.toBe(to);
        expect(peers[from].has(to), `${from} and ${to} twice`).toBe(false);
        peers[from].add(to);
        peers[to].add(from);
      }
      const { most, mean } = of.peers(ranks);
      const counts = peers.map(({ size }) => size);
      expect(Math.max(...counts)).toBeLessThanOrEqual(most);
      const average = counts.reduce((a, b) => a + b) / ranks;
      expect(average / mean).toBeGreaterThan(0.9);
      expect(average / mean).toBeLessThan(1.1);
    },
  );

  test('a grid has as many places as there are ranks', () => {
    expect(gridOf(1_000_000, 3)).toEqual([100, 100, 100]);
    expect(gridOf(100, 2)).toEqual([10, 10]);
    for (const ranks of [2, 7, 12, 360])
      expect(gridOf(ranks, 3).reduce((a, b) => a * b)).toBe(ranks);
  });
});

describe('the calculation', () => {
  const machine = { ranksPerNode: 64, costs };

  test('a connected peer takes its slots and its queue, 64 KiB at most; others take nothing', () => {
    const each = bytesOf(5, costs) - bytesOf(4, costs);
    expect(each).toBeGreaterThan(PINNED_PER_PEER + costs.queueBytes);
    expect(each).toBeLessThanOrEqual(64 * 1024);
    const few = estimate(pattern('ring'), 100, machine);
    const many = estimate(pattern('ring'), 1_000_000, machine);
    expect(many.bytesMost).toBe(few.bytesMost);
  });

  test('the limits that are in the way are named', () => {
    const { peers } = peersMax(costs);
    expect(estimate(pattern('all'), peers + 1, machine).obstacles).toEqual([]);
    const [reason] = estimate(pattern('all'), peers + 2, machine).obstacles;
    expect(reason).toContain(`${peers} there can be`);
    const million = estimate(pattern('ring'), 1_000_000, machine);
    expect(million.keyBytes).toBeGreaterThan(KVS_BYTES_MAX);
    expect(million.obstacles.join()).toContain('KVS_BYTES_MAX');
  });

  test('a device with more room leaves the limit to the receive slots', () => {
    const roomy: Costs = { ...costs, completionsMax: 2 ** 22 };
    expect(peersMax(roomy)).toEqual({ peers: 817, limit: 'RECEIVE_SLOTS_MAX' });
  });
});

test('events happen in order of time, those of a lane in theirs', () => {
  const clock = { now: 0 };
  const seen: [number, number][] = [];
  const slow: Lane = new Lane((subject) => seen.push([clock.now, subject]));
  const fast: Lane = new Lane((subject) => {
    seen.push([clock.now, subject]);
    if (subject < 3000) fast.add(clock.now + 1, subject + 1);
    slow.add(clock.now + 2.5, -subject);
  });
  fast.add(0, 0);
  expect(runLanes([slow, fast], clock, () => {})).toBe(6002);
  expect(seen.map(([time]) => time)).toEqual(seen.map(([time]) => time).sort((a, b) => a - b));
  expect(() => slow.add(0, 1)).toThrow(/in a lane/);
});

// ---- the real handshake, over a network of this test

const gid = '0'.repeat(32);

class Network {
  readonly #queue: [to: number, bytes: Uint8Array][] = [];
  readonly #listeners: ((bytes: Uint8Array) => void)[] = [];
  readonly #handshakes: Handshake[] = [];
  hellos = 0;
  ready = 0;

  constructor(ranks: number) {
    for (let rank = 0; rank < ranks; rank++) this.#handshakes.push(this.#rank(rank, ranks));
  }

  #rank(rank: number, size: number): Handshake {
    const createDatagramQueue = () => {
      const datagrams = {
        number: rank + 1,
        onDatagram: (_bytes: Uint8Array) => {},
        send: ({ number }: DatagramAddress, bytes: Uint8Array) => {
          this.hellos++;
          this.#queue.push([number - 1, Uint8Array.from(bytes)]);
          return true;
        },
        close() {},
      };
      this.#listeners.push((bytes) => datagrams.onDatagram(bytes));
      return datagrams;
    };
    const device = { lid: 0, gid, mtu: 1024, createDatagramQueue } as unknown as PacketDevice;
    return new Handshake(
      device,
      {
        ...{ rank, size, jobId: 'scale' },
        invite: (peer) => this.begin(rank, peer),
        ready: () => this.ready++,
        failed: (_peer: number, error: MpiError) => {
          throw error;
        },
        silent() {},
      },
      () => 0,
    );
  }

  begin(rank: number, peer: number): void {
    const number = 1 + rank * this.#listeners.length + peer;
    const queue = { number, connect() {} } as unknown as PacketQueue;
    this.#handshakes[rank].begin(peer, queue, { number: peer + 1, lid: 0, gid });
  }

  deliver(): void {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift())
      this.#listeners[next[0]](next[1]);
  }
}

describe('the simulation', () => {
  const options = (name: string, ranks: number, more: Partial<SetupOptions> = {}) => ({
    ...{ ranks, pattern: pattern(name), costs, ranksPerNode: 8, skewUs: 0, loss: 0 },
    ...more,
  });

  test.each(['ring', 'halo3d', 'tree'])('%s: as many HELLOs as the real handshake', (name) => {
    const ranks = 27;
    const network = new Network(ranks);
    for (const [from, to, both] of pairsOf(pattern(name), ranks)) {
      network.begin(from, to);
      if (both) network.begin(to, from);
    }
    network.deliver();
    // So swift that nobody asks twice, as over the network of this test.
    const swift = { ...costs, createUs: 10, connectUs: 10, helloUs: 1, pmiUs: 1 };
    const { hellos, ready, connections } = simulateSetup(options(name, ranks, { costs: swift }));
    expect(ready).toBe(2 * connections);
    expect({ ready, hellos }).toEqual({ ready: network.ready, hellos: network.hellos });
  });

  test('HELLOs are repeated after the delays of the handshake', () => {
    const delays = delaysUs();
    expect(delays[0]).toBe(1000 * HELLO_FIRST_MS);
    expect(delays.at(-1)).toBe(1000 * HELLO_LAST_MS);
    expect(delays.every((delay, i) => i === 0 || delay <= 2 * delays[i - 1])).toBe(true);
  });

  test.each([0.05, 0.5])('all are connected although a share of %d is lost', (loss) => {
    const { ready, connections, lost, hellos } = simulateSetup(options('random', 200, { loss }));
    expect(ready).toBe(2 * connections);
    expect(lost / hellos).toBeGreaterThan(loss * 0.8);
    expect(lost / hellos).toBeLessThan(loss * 1.2);
  });

  test('whoever gets more datagrams than it has room for is connected later all the same', () => {
    // Nobody listens before it has begun with all others.
    const slow = { ...costs, createUs: 500 };
    const { ready, connections, overrun } = simulateSetup(options('all', 150, { costs: slow }));
    expect(ready).toBe(2 * connections);
    expect(overrun).toBeGreaterThan(0);
  });

  test('nobody begins before all have come to the fence', () => {
    const { fenceMs, readyMs } = simulateSetup(options('ring', 64, { skewUs: 50_000 }));
    expect(fenceMs).toBeGreaterThan(49);
    expect(readyMs).toBeGreaterThan(fenceMs);
  });

  test('ten thousand ranks, each connection', () => {
    const { ready, connections, events } = simulateSetup(options('halo3d', 10_000));
    expect(connections).toBe(30_000);
    expect(ready).toBe(60_000);
    expect(events).toBeGreaterThan(6 * connections);
  });
});

describe('the program', () => {
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [join(packageRoot(), 'dist/test/bench/scale/scale.js'), ...words], {
      encoding: 'utf8',
    });

  test('prints JSON: the calculation, and the setup or why there is none', () => {
    const words = ['--ranks', '50,2000', '--patterns', 'ring,all', '--json'];
    const { status, stdout, stderr } = run(...words);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map((row) => [row.ranks, row.pattern, row.setup.ready])).toEqual([
      [50, 'ring', 100],
      [50, 'all', 50 * 49],
      [2000, 'ring', 4000],
      [2000, 'all', undefined],
    ]);
    expect(rows[3].setup).toBe('more peers than a rank can have');
  });

  test('prints a table, and explains itself', () => {
    const { status, stdout } = run('--ranks', '100', '--no-simulation');
    expect(status).toBe(0);
    expect(stdout.split('\n').filter((line) => /^ +100 /.test(line))).toHaveLength(PATTERNS.length);
    expect(run('--help').stdout).toContain('--ranks-per-node');
  });

  test.each([
    [['--ranks', '1'], /--ranks: "1"/],
    [['--ranks', '1.5e1.2'], /--ranks/],
    [['--patterns', 'star'], /"star" is none of ring/],
    [['--loss', '1'], /--loss: "1"/],
    [['--costs', '/nowhere'], /ENOENT/],
  ])('refuses %j', (words, reason) => {
    const { status, stderr } = run(...words);
    expect(status).toBe(2);
    expect(stderr).toMatch(reason);
  });
});
