/** How ranks meet on iWARP: over connection managers that are made of nothing. */
import { describe, expect, test } from 'vitest';
import { UNREACHABLE_MS } from '../../../../../transports/verbs/connect/iwarp.ts';
import { formatAddress, parseAddress } from '../../../../../transports/verbs/connect/setup.ts';
import {
  decodeIntroduction,
  encodeIntroduction,
  jobKey,
} from '../../../../../transports/verbs/connect/wire.ts';
import { type Rank, World } from './iwarp-network.ts';

/** Both are ready, once, and connected with each other by the queue pairs that they think they are. */
function expectMet(a: Rank, b: Rank): void {
  expect(a.readies.filter((peer) => peer === b.rank)).toEqual([b.rank]);
  expect(b.readies.filter((peer) => peer === a.rank)).toEqual([a.rank]);
  expect(a.wiredTo(b.rank)).toBe(b.queues.get(a.rank)!.number);
  expect(b.wiredTo(a.rank)).toBe(a.queues.get(b.rank)!.number);
  expect([...a.failures, ...b.failures]).toEqual([]);
}

function expectTidy(rank: Rank): void {
  const used = new Set([...rank.queues.values()].map(({ number }) => number));
  for (const { number, closed } of rank.made)
    expect([number, closed]).toEqual([number, !used.has(number)]);
  // Nothing but the connections themselves.
  expect(rank.connections.ends.size).toBe(rank.readies.length);
  expect(rank.setup.pending).toBe(false);
}

describe('who begins', () => {
  test.each([
    ['the lower rank', [0]],
    ['the higher rank', [1]],
    ['both at once', [0, 1]],
    ['both at once, the other one first', [1, 0]],
  ])('%s', (_, order) => {
    const world = new World(2);
    for (const rank of order) world.ranks[rank].begin(1 - rank);
    world.run(20);
    const [low, high] = world.ranks;
    expectMet(low, high);
    for (const rank of world.ranks) expectTidy(rank);
  });

  test('everybody with everybody, begun at different times', () => {
    const size = 5;
    const world = new World(size);
    for (let i = 0; i < size * size; i++) {
      const [from, to] = [(i * 7) % size, (i * 3 + Math.floor(i / size)) % size];
      if (from !== to) world.ranks[from].begin(to);
      world.run(1 + (i % 3));
    }
    for (const rank of world.ranks)
      for (let peer = 0; peer < size; peer++) if (peer !== rank.rank) rank.begin(peer);
    world.run(50);
    for (const a of world.ranks) for (const b of world.ranks) if (a.rank < b.rank) expectMet(a, b);
    for (const rank of world.ranks) expectTidy(rank);
  });
});

test('who was called is ready only when something came', () => {
  const world = new World(2);
  const [low, high] = world.ranks;
  low.begin(1);
  for (let i = 0; i < 10; i++) {
    low.look();
    high.look();
  }
  expect([low.readies, high.readies]).toEqual([[1], []]);
  high.setup.heard(0);
  expect(high.readies).toEqual([0]);
  high.setup.heard(0);
  expect(high.readies).toEqual([0]);
});

test('a rank that does not look for a long time is called until it does', () => {
  const world = new World(2);
  const [low, high] = world.ranks;
  low.begin(1);
  for (let i = 0; i < 6; i++) {
    world.run(10_000, [low]);
    high.connections.giveUp();
  }
  world.run(100, [low]);
  world.run(50);
  expectMet(low, high);
  for (const rank of world.ranks) expectTidy(rank);
});

test('a call that was given up just before it was answered is made again', () => {
  const world = new World(2);
  const [low, high] = world.ranks;
  low.begin(1);
  world.run(10, [low]);
  high.connections.giveUp();
  // Before the one that calls has noticed.
  high.look();
  expect(high.wiredTo(0)).toBeUndefined();
  world.run(100);
  expectMet(low, high);
  for (const rank of world.ranks) expectTidy(rank);
});

test('a peer that nobody listens for any more has failed, after a while', () => {
  const world = new World(2);
  const [low, high] = world.ranks;
  high.setup.close();
  low.begin(1);
  world.run(UNREACHABLE_MS - 500, [low]);
  expect(low.failures).toEqual([]);
  world.run(2000, [low]);
  expect(low.failures).toHaveLength(1);
  expect(low.failures[0].code).toBe('ERR_PEER_FAILED');
  expect(low.failures[0].message).toMatch(/nobody answers at 192\.0\.2\.1:5001/);
  expect(low.setup.pending).toBe(false);
});

test('a peer that cannot be reached for a moment is', () => {
  const world = new World(2);
  const [low, high] = world.ranks;
  world.nodes.delete(5000);
  high.begin(0);
  world.run(1000);
  world.nodes.set(5000, low.connections);
  world.run(1000);
  expectMet(low, high);
});

test('strangers are refused', () => {
  const world = new World(2);
  const { connections, setup, readies } = world.ranks[1];
  const job = jobKey('a job');
  const target = { address: 2 ** 47, key: 2 ** 32 - 1 };
  const said = { from: 0, to: 1, target };
  expect(decodeIntroduction(encodeIntroduction(said, job), job)).toEqual(said);
  const strange = [
    encodeIntroduction({ from: 0, to: 1, target }, jobKey('another job')),
    encodeIntroduction({ from: 0, to: 0, target }, job),
    encodeIntroduction({ from: 1, to: 1, target }, job),
    encodeIntroduction({ from: 2, to: 1, target }, job),
    Buffer.from('hello'),
    Buffer.alloc(200, 0xff),
  ];
  for (const data of strange) {
    const end = world.ranks[0].connections.resolve(connections.own);
    world.ranks[0].connections.connect(end, 1, data);
  }
  world.run(10);
  expect(setup.strangers).toBe(strange.length);
  expect(connections.ends.size).toBe(0);
  expect(readies).toEqual([]);
});

describe('the end', () => {
  test('of a connection is told, behind what had come before it', () => {
    const world = new World(2);
    const [low, high] = world.ranks;
    low.begin(1);
    world.run(20);
    let left = 3;
    const polls = high.polls;
    high.onPoll = () => {
      expect(high.failures).toEqual([]);
      return left-- > 0 ? 1 : 0;
    };
    low.setup.end(1);
    world.run(5);
    expect(high.polls - polls).toBe(4);
    expect(high.failures.map(({ code }) => code)).toEqual(['ERR_PEER_FAILED']);
  });

  test('closes queue pairs before what connects them', () => {
    const world = new World(2);
    const [low, high] = world.ranks;
    low.begin(1);
    world.run(20);
    const number = low.queues.get(1)!.number;
    low.setup.end(1);
    low.setup.end(1);
    expect(low.lines).toEqual([
      `close of queue ${number}`,
      `destroy of the end with queue ${number}`,
    ]);
    high.setup.close();
    expect(high.connections.ends.size).toBe(0);
  });

  test('refuses those who call again', () => {
    const world = new World(2);
    const [low, high] = world.ranks;
    high.begin(0);
    high.setup.end(0);
    low.begin(1);
    world.run(100);
    expect(high.readies).toEqual([]);
    expect(low.readies).toEqual([]);
  });
});

describe('addresses', () => {
  test.each([
    ['iwarp', { ip: '10.0.0.7', port: 4711 }],
    ['iwarp', { ip: 'fd00::1:2', port: 65535 }],
    ['ethernet', { number: 17, lid: 0, gid: '00000000000000000000ffff0a000007' }],
  ] as const)('%s', (link, address) => {
    expect(parseAddress(formatAddress(address), link, 3)).toEqual(address);
  });

  test.each([
    ['', 'iwarp', /rank 3 has no RDMA device/],
    ['iwarp/10.0.0.7/4711', 'ethernet', /rank 3 has an RDMA device of another kind \(iWARP, /],
    ['17:0:00000000000000000000ffff0a000007', 'iwarp', /another kind \(InfiniBand or RoCE, /],
    ['iwarp/10.0.0.7', 'iwarp', /no RDMA device/],
  ] as const)('"%s" on %s', (text, link, message) => {
    expect(() => parseAddress(text, link, 3)).toThrow(message);
  });
});
