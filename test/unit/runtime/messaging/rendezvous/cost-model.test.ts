/** By which scheme messages go, where each costs what a test says. */
import { describe, expect, test } from 'vitest';
import {
  CostModel,
  type RendezvousScheme,
  TRIAL_INTERVAL,
  TRIAL_MESSAGES,
  TRIAL_RUN,
} from '../../../../../runtime/messaging/rendezvous/cost-model.ts';
import { Random } from '../../../../tools/random.ts';

const ALL: readonly RendezvousScheme[] = ['copy', 'share', 'get', 'put'];
const KIB = 1024;
type Cost = (scheme: RendezvousScheme) => number;
type Costs = Partial<Record<RendezvousScheme, number>>;

/** Runs messages through a model where each scheme costs so many nanoseconds a byte. */
function schemesChosen(
  model: CostModel,
  length: number,
  count: number,
  cost: Cost,
  all: readonly RendezvousScheme[] = ALL,
): RendezvousScheme[] {
  return Array.from({ length: count }, () => {
    const scheme = model.choose(length, all);
    const nanoseconds = cost(scheme) * length;
    if (model.timed) model.record(scheme, length, nanoseconds);
    return scheme;
  });
}

/** A machine: each scheme is slow at first, and a message is interrupted now and then. */
function machine(costs: Costs, seed: number, { warm = 12, noise = 0.06 } = {}): Cost {
  const random = new Random(seed);
  const runs = new Map<RendezvousScheme, number>();
  return (scheme) => {
    const run = runs.get(scheme) ?? 0;
    runs.set(scheme, run + 1);
    const slow = 1 + 4 * Math.exp(-run / warm);
    const jitter = 1 + 0.1 * (random.below(1000) / 1000);
    const interrupted = random.chance(noise) ? 2 + random.below(20) : 1;
    return (costs[scheme] as number) * slow * jitter * interrupted;
  };
}

describe('after a hundred messages', () => {
  test.each<[string, Costs]>([
    ['a clear winner', { copy: 0.25, get: 0.5, share: 0.4 }],
    ['the last one', { copy: 0.5, get: 0.25, share: 0.4 }],
    ['the middle one', { copy: 0.4, get: 0.5, share: 0.25 }],
    ['a near one', { copy: 0.3, get: 0.36, share: 0.6 }],
    ['two alike', { copy: 0.3, get: 0.3, share: 0.9 }],
  ])('%s: the choice is within 10 %% of the best, and stays so', (_, costs) => {
    const all = Object.keys(costs) as RendezvousScheme[];
    const least = Math.min(...Object.values(costs));
    for (let seed = 1; seed <= 50; seed++) {
      const model = new CostModel();
      const cost = machine(costs, seed);
      schemesChosen(model, 64 * KIB, 100, cost, all);
      const later = schemesChosen(model, 64 * KIB, 2000, cost, all);
      const mean = later.reduce((sum, scheme) => sum + (costs[scheme] as number), 0) / later.length;
      expect(mean, `seed ${seed}`).toBeLessThan(1.1 * least);
      // What is looked at makes way again.
      const most = all.find((each) => later.filter((one) => one === each).length > 1500);
      if (most !== undefined) expect(costs[most]).toBeLessThanOrEqual(1.1 * least);
      else expect(costs.copy, `seed ${seed}`).toBe(costs.get);
    }
  });

  test.each([2, 3, 4])('there is a verdict, with %i schemes', (count) => {
    const all = ALL.slice(0, count);
    const model = new CostModel();
    const cost: Cost = (scheme) => (scheme === all[1] ? 1 : 9);
    const chosen = schemesChosen(model, 64 * KIB, 130, cost, all);
    expect(new Set(chosen.slice(TRIAL_MESSAGES))).toEqual(new Set([all[1]]));
    for (const scheme of all)
      expect(
        chosen.slice(0, TRIAL_MESSAGES).filter((one) => one === scheme).length,
      ).toBeGreaterThan(TRIAL_MESSAGES / count - 2 * TRIAL_RUN);
  });
});

describe('the cost model', () => {
  test.each<[RendezvousScheme, Record<RendezvousScheme, number>]>([
    ['copy', { copy: 1, get: 2, share: 3, put: 4 }],
    ['get', { copy: 3, get: 1, share: 2, put: 4 }],
    ['share', { copy: 3, get: 2, share: 1, put: 4 }],
    ['put', { copy: 3, get: 2, share: 4, put: 1 }],
  ])('settles for %s where that is cheapest', (best, costs) => {
    const chosen = schemesChosen(new CostModel(), 1_000_000, 115, (scheme) => costs[scheme]);
    expect(new Set(chosen.slice(0, TRIAL_MESSAGES))).toEqual(new Set(ALL));
    expect(new Set(chosen.slice(TRIAL_MESSAGES))).toEqual(new Set([best]));
  });

  test('a scheme that is slow until its code is compiled is still found', () => {
    let runs = 0;
    const cost: Cost = (scheme) => {
      if (scheme !== 'share') return scheme === 'get' ? 0.2 : 0.4;
      return runs++ < 100 ? 1 : 0.1;
    };
    const chosen = schemesChosen(new CostModel(), 64 * KIB, 12_000, cost);
    expect(chosen.slice(-12).filter((scheme) => scheme === 'share').length).toBeGreaterThan(4);
  });

  test('nor does it lose for good what it takes thousands of messages to compile', () => {
    const all: RendezvousScheme[] = ['copy', 'share', 'get'];
    let runs = 0;
    const costs = { copy: 0.5, get: 0.12, share: 0.15, put: 9 };
    const cost: Cost = (scheme) => (scheme === 'share' && runs++ > 2000 ? 0.08 : costs[scheme]);
    const chosen = schemesChosen(new CostModel(), 64 * KIB, 20_000, cost, all);
    expect(chosen.slice(-100).filter((scheme) => scheme === 'share').length).toBeGreaterThan(50);
    const copied = chosen.filter((scheme) => scheme === 'copy').length;
    expect(copied).toBeLessThan(20_000 / 50);
  });

  test('looks take a small share of the time, and the clock is read seldom', () => {
    for (const other of [1.05, 1.3, 2, 10, 100]) {
      const costs = { copy: 1, get: other, share: other, put: other };
      const model = new CostModel();
      schemesChosen(model, 64 * KIB, 100, (scheme) => costs[scheme]);
      let timed = 0;
      const chosen = schemesChosen(model, 64 * KIB, 20_000, (scheme) => {
        if (model.timed) timed++;
        return costs[scheme];
      });
      const sum = chosen.reduce((all, scheme) => all + costs[scheme], 0);
      expect(sum / chosen.length, `${other}`).toBeLessThan(1.13);
      if (other > 1.3) expect(timed).toBeLessThan(20_000 / 5);
    }
  });

  test('long messages are tried a few times only', () => {
    const cost: Cost = (scheme) => (scheme === 'copy' ? 1 : 2);
    const chosen = schemesChosen(new CostModel(), 2 ** 30, 1000, cost);
    expect(chosen.filter((scheme) => scheme !== 'copy').length).toBe(3 * TRIAL_RUN);
  });

  test('each size has a verdict of its own', () => {
    const model = new CostModel();
    schemesChosen(model, 100_000, 100, (scheme) => (scheme === 'copy' ? 1 : 9));
    schemesChosen(model, 4_000_000, 100, (scheme) => (scheme === 'get' ? 1 : 9));
    expect(model.choose(100_000, ALL)).toBe('copy');
    expect(model.choose(4_000_000, ALL)).toBe('get');
  });

  test('a machine that changes is noticed', () => {
    const model = new CostModel();
    schemesChosen(model, 2 ** 27, 100, (scheme) => (scheme === 'copy' ? 1 : 5));
    const later = schemesChosen(model, 2 ** 27, 2 * TRIAL_INTERVAL, (scheme) =>
      scheme === 'get' ? 1 : 20,
    );
    expect(new Set(later.slice(-20))).toEqual(new Set(['get']));
  });

  test('one look is not enough to change the verdict', () => {
    const all: RendezvousScheme[] = ['copy', 'get'];
    const model = new CostModel();
    schemesChosen(model, 64 * KIB, 96, (scheme) => (scheme === 'copy' ? 1 : 1.02), all);
    // For once `get` is faster, in a whole look.
    let lucky = 0;
    const cost: Cost = (scheme) => (scheme === 'copy' ? 1 : lucky++ < TRIAL_RUN ? 0.1 : 1.02);
    const later = schemesChosen(model, 64 * KIB, 2000, cost, all);
    expect(later.filter((scheme) => scheme === 'copy').length).toBeGreaterThan(1600);
  });

  test('many messages under way at once try every scheme', () => {
    const model = new CostModel();
    const chosen = Array.from({ length: 4 * TRIAL_RUN }, () => model.choose(1_000_000, ALL));
    const runs = ALL.flatMap((scheme) => new Array(TRIAL_RUN).fill(scheme));
    expect(chosen).toEqual(runs);
  });

  test('messages of which none is timed to its end leave no trial open for ever', () => {
    const model = new CostModel();
    const chosen = Array.from({ length: 1000 }, () => model.choose(64 * KIB, ALL));
    expect(new Set(chosen.slice(-100)).size).toBe(1);
  });

  test('what cannot be had any more is not chosen', () => {
    const model = new CostModel();
    schemesChosen(model, 64 * KIB, 100, (scheme) => (scheme === 'get' ? 1 : 2));
    const rest: RendezvousScheme[] = ['copy', 'share'];
    const later = schemesChosen(
      model,
      64 * KIB,
      200,
      (scheme) => (scheme === 'copy' ? 1 : 2),
      rest,
    );
    expect(later.at(-1)).toBe('copy');
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
