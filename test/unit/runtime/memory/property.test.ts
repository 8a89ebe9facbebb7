import { describe, expect, test } from 'vitest';
import { type Interval, IntervalIndex } from '../../../../runtime/memory/interval-index.ts';
import { Random } from '../../../tools/random.ts';
import { Life } from './simulated/life.ts';
import { PAGE } from './simulated/space.ts';
import type { WorldOptions } from './simulated/world.ts';

/** Lives of each kind, and steps in each; DREG_TEST_SEED repeats one. */
const LIVES = 25;
const STEPS = 600;

function live(seed: number, options: WorldOptions & { failing?: boolean }): Life {
  const life = new Life(new Random(seed), options);
  try {
    for (let i = 0; i < STEPS; i++) life.step();
    life.end();
  } catch (cause) {
    throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
  }
  return life;
}

const seeds = process.env.DREG_TEST_SEED
  ? [Number(process.env.DREG_TEST_SEED)]
  : Array.from({ length: LIVES }, (_, i) => 1000 + i);

describe('a random life never posts on a stale registration, and leaves nothing', () => {
  const kinds: [string, WorldOptions & { failing?: boolean }][] = [
    ['flags at once', { promptness: 'prompt' }],
    ['flags late, busy word', { promptness: 'busy' }],
    ['events unread, fence for new buffers', { promptness: 'pending' }],
    ['events unread, fence always', { promptness: 'pending', fenceAlways: true }],
    ['user_delta passes 2^32', { promptness: 'prompt', delta: -20, slots: 16 }],
    ['8 slots', { promptness: 'busy', slots: 8 }],
    ['5 regions', { promptness: 'prompt', limits: { regions: 5 } }],
    ['12 pages', { promptness: 'prompt', limits: { bytes: 12 * PAGE } }],
    ['the kernel allows 12 pages', { promptness: 'busy', pinLimit: 12 * PAGE, failing: true }],
    ['no plain operations', { promptness: 'prompt', plain: false }],
    ['5 regions, no plain operations', { limits: { regions: 5 }, plain: false }],
    ['12 pages, no plain operations', { limits: { bytes: 12 * PAGE }, plain: false }],
    ['1 region, no plain operations', { limits: { regions: 1 }, plain: false }],
    ['nothing may be pinned', { limits: { bytes: 0 } }],
    ['registrations of 3 pages', { promptness: 'prompt', regionBytesMax: 3 * PAGE }],
    ['calls fail', { promptness: 'prompt', failing: true }],
    ['calls fail, no plain operations', { promptness: 'busy', failing: true, plain: false }],
    ['keys may end under operations', { promptness: 'prompt', deregisterWhilePosted: true }],
    ['no monitor', { promptness: 'naive', caches: false }],
  ];
  test.each(kinds)('%s', (_, options) => {
    const { limits } = options;
    let hits = 0;
    let invalidations = 0;
    for (const seed of seeds) {
      const stats = live(seed, options).world.manager.stats();
      hits += stats.hitsIdentity + stats.hitsAddress;
      invalidations += stats.invalidations;
    }
    // A life in which nothing is ever found again, or nothing ever changes, would show nothing.
    const cacheless =
      options.caches === false || Math.min(limits?.bytes ?? 2, limits?.regions ?? 2) < 2;
    if (!cacheless) expect(Math.min(hits, invalidations)).toBeGreaterThan(0);
  });

  const wrong: [string, WorldOptions][] = [
    ['a monitor that never tells', { promptness: 'naive' }],
    ['unread events and no fence', { promptness: 'unfenced' }],
  ];
  test.each(wrong)('the same finds the stale use with %s', (_, options) => {
    const found = seeds.some((seed) => {
      try {
        live(seed, options);
        return false;
      } catch (error) {
        return /stale registration/.test((error as Error).message);
      }
    });
    expect(found).toBe(true);
  });
});

describe('the interval index', () => {
  /** The same by looking at everything. */
  class Plain {
    readonly items: Interval[] = [];
    find(from: number, to: number) {
      return this.items.find(({ start, end }) => start <= from && to <= end);
    }
    touching(start: number, end: number) {
      return this.items
        .filter((item) => item.end >= start && item.start <= end)
        .sort((a, b) => a.start - b.start);
    }
  }

  test('agrees with a plain list, through divided, joined and ended blocks', () => {
    const random = new Random(7);
    const index = new IntervalIndex<Interval>();
    const plain = new Plain();
    const space = 3000;
    for (let step = 0; step < 12_000; step++) {
      const growing = Math.floor(step / 3000) % 2 === 0;
      const start = random.below(space) * PAGE;
      const end = start + (1 + random.below(2)) * PAGE;
      if (random.chance(growing ? 0.8 : 0.2)) {
        if (plain.items.every((item) => item.end <= start || item.start >= end)) {
          const item = { start, end };
          index.insert(item);
          plain.items.push(item);
        }
      } else if (plain.items.length > 0) {
        const [item] = plain.items.splice(random.below(plain.items.length), 1);
        expect(index.remove(item)).toBe(true);
        expect(index.remove(item)).toBe(false);
      }
      const probe = random.below(space + 10) * PAGE + random.below(2);
      const length = 1 + random.below(PAGE + 10);
      expect(index.find(probe, probe + length)).toBe(plain.find(probe, probe + length));
      if (step % 20 === 0) {
        expect(index.touching(start, end)).toEqual(plain.touching(start, end));
        expect(index.touches(start, end)).toBe(plain.touching(start, end).length > 0);
        expect(index.size).toBe(plain.items.length);
      }
    }
    expect([...index]).toEqual(plain.touching(0, Infinity));
  });
});
