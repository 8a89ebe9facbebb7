/** Parts of the protocol by themselves: the cost model, transfer tables. */
import { describe, expect, test } from 'vitest';
import type { Peer } from '../../../../../runtime/messaging/peer.ts';
import {
  CostModel,
  type RendezvousScheme,
  TRIAL_INTERVAL,
  TRIAL_MS,
  TRIALS,
} from '../../../../../runtime/messaging/rendezvous/cost-model.ts';
import { TRANSFERS_MAX, TransferTable } from '../../../../../runtime/messaging/rendezvous/table.ts';

const ALL: readonly RendezvousScheme[] = ['copy', 'share', 'get', 'put'];

/** Runs messages through a model where each scheme costs so many nanoseconds a byte. */
function schemesChosen(
  model: CostModel,
  length: number,
  count: number,
  cost: (scheme: RendezvousScheme) => number,
  all: readonly RendezvousScheme[] = ALL,
): RendezvousScheme[] {
  return Array.from({ length: count }, () => {
    const scheme = model.choose(length, all);
    if (model.timed) model.record(scheme, length, cost(scheme) * length);
    return scheme;
  });
}

describe('the cost model', () => {
  test.each<[RendezvousScheme, Record<RendezvousScheme, number>]>([
    ['copy', { copy: 1, get: 2, share: 3, put: 4 }],
    ['get', { copy: 3, get: 1, share: 2, put: 4 }],
    ['share', { copy: 3, get: 2, share: 1, put: 4 }],
    ['put', { copy: 3, get: 2, share: 4, put: 1 }],
  ])('settles for %s where that is cheapest', (best, costs) => {
    const chosen = schemesChosen(new CostModel(), 1_000_000, 200, (scheme) => costs[scheme]);
    expect(new Set(chosen.slice(0, 20))).toEqual(new Set(ALL));
    expect(new Set(chosen.slice(20))).toEqual(new Set([best]));
  });

  test('one disturbed message does not decide', () => {
    let n = 0;
    const costs = { copy: 1, get: 2, share: 3, put: 4 };
    const chosen = schemesChosen(new CostModel(), 1_000_000, 200, (scheme) =>
      n++ === 0 ? 50 : costs[scheme],
    );
    expect(new Set(chosen.slice(20))).toEqual(new Set(['copy']));
  });

  test('a scheme that is slow until its code is compiled is still found', () => {
    const runs = new Map<RendezvousScheme, number>();
    const cost = (scheme: RendezvousScheme): number => {
      const run = (runs.get(scheme) ?? 0) + 1;
      runs.set(scheme, run);
      if (scheme !== 'share') return scheme === 'get' ? 0.2 : 0.4;
      return run < 100 ? 1 : 0.1;
    };
    const chosen = schemesChosen(new CostModel(), 65_536, 4000, cost);
    expect(chosen.at(-1)).toBe('share');
  });

  test('nor does it lose for good what it takes thousands of messages to compile', () => {
    const runs = new Map<RendezvousScheme, number>();
    const cost = (scheme: RendezvousScheme): number => {
      const run = (runs.get(scheme) ?? 0) + 1;
      runs.set(scheme, run);
      if (scheme === 'copy') return 0.5;
      if (scheme !== 'share') return 0.12;
      return run < 2000 ? 0.15 : 0.08;
    };
    const chosen = schemesChosen(new CostModel(), 65_536, 12_000, cost, ['copy', 'share', 'get']);
    expect(chosen.at(-1)).toBe('share');
    const copied = chosen.filter((scheme) => scheme === 'copy').length;
    expect(copied).toBeLessThan((TRIAL_MS * 1e6) / (0.5 * 65_536) + 6 * TRIALS);
  });

  test('long messages are tried a few times only, short ones for a bounded number', () => {
    const trials = (length: number, each: number) => {
      const chosen = schemesChosen(new CostModel(), length, 3000, (scheme) =>
        scheme === 'copy' ? each : 2 * each,
      );
      return chosen.filter((scheme) => scheme !== 'copy').length;
    };
    expect(trials(2 ** 30, 1)).toBe(2 * 3 * TRIALS);
    // Messages of 6 µs, and a second trial.
    const first = Math.ceil((TRIAL_MS * 1e6) / 6000);
    expect(trials(2 ** 15, 3000 / 2 ** 15)).toBeLessThanOrEqual(3 * (first + TRIALS));
  });

  test('each size has a verdict of its own', () => {
    const model = new CostModel();
    schemesChosen(model, 100_000, 50, (scheme) => (scheme === 'copy' ? 1 : 9));
    schemesChosen(model, 4_000_000, 50, (scheme) => (scheme === 'get' ? 1 : 9));
    expect(model.choose(100_000, ALL)).toBe('copy');
    expect(model.choose(4_000_000, ALL)).toBe('get');
  });

  test('a machine that changes is noticed', () => {
    const model = new CostModel();
    schemesChosen(model, 1_000_000, 100, (scheme) => (scheme === 'copy' ? 1 : 5));
    const later = schemesChosen(model, 1_000_000, TRIAL_INTERVAL + 40, (scheme) =>
      scheme === 'get' ? 1 : 20,
    );
    expect(new Set(later.slice(-20))).toEqual(new Set(['get']));
  });

  test('losers are tried seldom, and the clock is read seldom', () => {
    const model = new CostModel();
    let timed = 0;
    const chosen = schemesChosen(model, 1_000_000, 10_000, (scheme) => {
      timed++;
      return scheme === 'copy' ? 1 : 2;
    });
    expect(chosen.filter((scheme) => scheme !== 'copy').length).toBeLessThan(10_000 / 100);
    expect(timed).toBeLessThan(10_000 / 10);
  });

  test('many messages under way at once try every scheme', () => {
    const model = new CostModel();
    const chosen = Array.from({ length: 4 * TRIALS }, () => model.choose(1_000_000, ALL));
    const runs = ALL.flatMap((scheme) => new Array(TRIALS).fill(scheme));
    expect(chosen).toEqual(runs);
  });

  test('messages that were interrupted do not decide, nor do lucky ones', () => {
    const model = new CostModel();
    const slow = 20e6;
    const times: Record<string, number[]> = {
      copy: [slow, 9 * slow, slow, 9 * slow, slow],
      get: [1.4 * slow, 1.4 * slow, 0.9 * slow, 1.4 * slow, 0.9 * slow],
    };
    const all: RendezvousScheme[] = ['copy', 'get'];
    for (let i = 0; i < 2 * TRIALS; i++) {
      const scheme = model.choose(16_384, all);
      model.record(scheme, 16_384, times[scheme].shift() as number);
    }
    expect(model.choose(16_384, all)).toBe('copy');
  });

  test('a loser that has become the best is known after the next trial', () => {
    const model = new CostModel();
    const all: RendezvousScheme[] = ['copy', 'get'];
    const copyFirst = (scheme: RendezvousScheme) => (scheme === 'copy' ? 1 : 2);
    const getFirst = (scheme: RendezvousScheme) => (scheme === 'copy' ? 1 : 0.1);
    schemesChosen(model, 1_000_000, 100, copyFirst, all);
    const later = schemesChosen(model, 1_000_000, TRIAL_INTERVAL + 100, getFirst, all);
    expect(later.slice(-20)).toEqual(new Array(20).fill('get'));
  });

  test('one scheme is no choice', () => {
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
