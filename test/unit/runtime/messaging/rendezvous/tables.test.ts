/** Parts of the protocol by themselves: the cost model, transfer tables. */
import { describe, expect, test } from 'vitest';
import type { Peer } from '../../../../../runtime/messaging/peer.ts';
import {
  CostModel,
  RETRIAL_INTERVAL,
  type RendezvousScheme,
  TRIALS_MAX,
  TRIALS_MIN,
} from '../../../../../runtime/messaging/rendezvous/cost-model.ts';
import { TRANSFERS_MAX, TransferTable } from '../../../../../runtime/messaging/rendezvous/table.ts';

const ALL: readonly RendezvousScheme[] = ['copy', 'share', 'get', 'put'];

/** Runs messages through a model where each way costs so many nanoseconds a byte. */
function ways(
  model: CostModel,
  length: number,
  count: number,
  cost: (way: RendezvousScheme) => number,
  all: readonly RendezvousScheme[] = ALL,
): RendezvousScheme[] {
  return Array.from({ length: count }, () => {
    const way = model.choose(length, all);
    if (model.timed) model.record(way, length, cost(way) * length);
    return way;
  });
}

describe('the cost model', () => {
  test.each<[RendezvousScheme, Record<RendezvousScheme, number>]>([
    ['copy', { copy: 1, get: 2, share: 3, put: 4 }],
    ['get', { copy: 3, get: 1, share: 2, put: 4 }],
    ['share', { copy: 3, get: 2, share: 1, put: 4 }],
    ['put', { copy: 3, get: 2, share: 4, put: 1 }],
  ])('settles for %s where that is cheapest', (best, costs) => {
    const chosen = ways(new CostModel(), 1_000_000, 200, (way) => costs[way]);
    expect(new Set(chosen.slice(0, 20))).toEqual(new Set(ALL));
    expect(new Set(chosen.slice(20))).toEqual(new Set([best]));
  });

  test('one disturbed message does not decide', () => {
    let n = 0;
    const costs = { copy: 1, get: 2, share: 3, put: 4 };
    const chosen = ways(new CostModel(), 1_000_000, 200, (way) => (n++ === 0 ? 50 : costs[way]));
    expect(new Set(chosen.slice(20))).toEqual(new Set(['copy']));
  });

  test('a way that is slow until its code is compiled is still found', () => {
    const runs = new Map<RendezvousScheme, number>();
    const cost = (way: RendezvousScheme): number => {
      const run = (runs.get(way) ?? 0) + 1;
      runs.set(way, run);
      if (way !== 'share') return way === 'get' ? 0.2 : 0.4;
      return run < 100 ? 1 : 0.1;
    };
    const chosen = ways(new CostModel(), 65_536, 4000, cost);
    expect(chosen.at(-1)).toBe('share');
  });

  test('nor does it lose for good what it takes thousands of messages to compile', () => {
    const runs = new Map<RendezvousScheme, number>();
    const cost = (way: RendezvousScheme): number => {
      const run = (runs.get(way) ?? 0) + 1;
      runs.set(way, run);
      if (way === 'copy') return 0.5;
      if (way !== 'share') return 0.12;
      return run < 2000 ? 0.15 : 0.08;
    };
    const chosen = ways(new CostModel(), 65_536, 12_000, cost, ['copy', 'share', 'get']);
    expect(chosen.at(-1)).toBe('share');
    expect(chosen.filter((way) => way === 'copy').length).toBeLessThan(TRIALS_MAX + 30);
  });

  test('long messages are tried a few times only, short ones for a bounded number', () => {
    const trials = (length: number, each: number) => {
      const chosen = ways(new CostModel(), length, 3000, (way) =>
        way === 'copy' ? each : 2 * each,
      );
      return chosen.filter((way) => way !== 'copy').length;
    };
    expect(trials(2 ** 30, 1)).toBeLessThanOrEqual(3 * (TRIALS_MIN + 3));
    expect(trials(32_768, 1e-6)).toBeLessThanOrEqual(3 * (TRIALS_MAX + 3));
  });

  test('each size has a verdict of its own', () => {
    const model = new CostModel();
    ways(model, 100_000, 50, (way) => (way === 'copy' ? 1 : 9));
    ways(model, 4_000_000, 50, (way) => (way === 'get' ? 1 : 9));
    expect(model.choose(100_000, ALL)).toBe('copy');
    expect(model.choose(4_000_000, ALL)).toBe('get');
  });

  test('a machine that changes is noticed', () => {
    const model = new CostModel();
    ways(model, 1_000_000, 100, (way) => (way === 'copy' ? 1 : 5));
    const later = ways(model, 1_000_000, 40 * RETRIAL_INTERVAL, (way) => (way === 'get' ? 1 : 20));
    expect(new Set(later.slice(-20))).toEqual(new Set(['get']));
  });

  test('losers are tried seldom, and the clock is read seldom', () => {
    const model = new CostModel();
    let timed = 0;
    const chosen = ways(model, 1_000_000, 10_000, (way) => {
      timed++;
      return way === 'copy' ? 1 : 2;
    });
    expect(chosen.filter((way) => way !== 'copy').length).toBeLessThan(10_000 / 100);
    expect(timed).toBeLessThan(10_000 / 10);
  });

  test('many messages under way at once try every way', () => {
    const model = new CostModel();
    const chosen = Array.from({ length: 12 }, () => model.choose(1_000_000, ALL));
    for (const way of ALL) expect(chosen.filter((one) => one === way).length).toBe(3);
  });

  test('a message that was interrupted does not decide, nor does a lucky one', () => {
    const model = new CostModel();
    const times = { copy: [1000, 90_000, 1000], get: [1400, 1400, 10], share: [], put: [] };
    const all: RendezvousScheme[] = ['copy', 'get'];
    for (let i = 0; i < 6; i++) {
      const way = model.choose(16_384, all);
      model.record(way, 16_384, times[way].shift() as number);
    }
    expect(model.choose(16_384, all)).toBe('copy');
  });

  test('a loser that has become the best is known after a few messages', () => {
    const model = new CostModel();
    const all: RendezvousScheme[] = ['copy', 'get'];
    const time = (way: RendezvousScheme) => (way === 'copy' ? 1 : 2);
    ways(model, 1_000_000, RETRIAL_INTERVAL - 1, time, all);
    const later = ways(model, 1_000_000, 10, (way) => (way === 'copy' ? 1 : 0.1), all);
    expect(later.slice(-4)).toEqual(['get', 'get', 'get', 'get']);
  });

  test('one way is no choice', () => {
    const model = new CostModel();
    expect(model.choose(99_999, ['copy'])).toBe('copy');
    expect(model.timed).toBe(false);
  });

  test.each([0, 32_769, 2 ** 31, 2 ** 40])('has a place for %i bytes', (length) => {
    expect(ALL).toContain(new CostModel().choose(length, ALL));
  });
});

describe('a table of transfers', () => {
  const unknown = expect.objectContaining({ code: 'ERR_PROTOCOL' });
  const [mine, other] = [{}, {}] as Peer[];

  function filled(peers: Peer[]) {
    const table = new TransferTable<{ id: number; peer: Peer }>();
    const transfers = peers.map((peer) => {
      const transfer = { id: table.takeId(), peer };
      table.add(transfer);
      return transfer;
    });
    return { table, transfers };
  }

  test('finds a transfer for its own peer alone', () => {
    const { table, transfers } = filled([mine, other, mine]);
    expect(new Set(transfers.map(({ id }) => id)).size).toBe(3);
    expect(table.find(transfers[0].id, mine)).toBe(transfers[0]);
    expect(() => table.find(transfers[0].id, other)).toThrow(unknown);
    for (const id of [0, -1, 12_345, 0x7fff_ffff, -0x8000_0000])
      expect(() => table.find(id, mine)).toThrow(unknown);
    expect(table.of(mine)).toEqual([transfers[0], transfers[2]]);
    table.remove(transfers[0]);
    table.remove(transfers[0]);
    expect(() => table.find(transfers[0].id, mine)).toThrow(unknown);
    expect(table.size).toBe(2);
  });

  test('gives a place again, and not its name', () => {
    const { table, transfers } = filled([mine, mine]);
    table.remove(transfers[0]);
    const next = { id: table.takeId(), peer: mine };
    table.add(next);
    expect(next.id % TRANSFERS_MAX).toBe(transfers[0].id % TRANSFERS_MAX);
    expect(() => table.find(transfers[0].id, mine)).toThrow(unknown);
    expect(table.find(next.id, mine)).toBe(next);
  });

  test('ids stay 31 bits, whatever was there before', () => {
    const table = new TransferTable<{ id: number; peer: Peer }>();
    for (let i = 0; i < 5000; i++) {
      const transfer = { id: table.takeId(), peer: mine };
      expect(transfer.id).toBeGreaterThan(0);
      expect(transfer.id | 0).toBe(transfer.id);
      table.add(transfer);
      table.remove(transfer);
    }
  });
});
