/** The rules R7 and R8: what may be pinned, and what happens without. */
import { describe, expect, test } from 'vitest';
import type { Lease } from '../../../../runtime/memory/lease.ts';
import { Random } from '../../../tools/random.ts';
import { ENOMEM } from './simulated/domain.ts';
import { codeOf, nothing, pagesOf } from './simulated/manager.ts';
import { PAGE } from './simulated/space.ts';
import { World } from './simulated/world.ts';

describe('R7: limits', () => {
  test('the least recently used region makes room', () => {
    const world = new World({ limits: { bytes: 2 * PAGE } });
    const views = [0, 10, 20].map((page) => world.view(page, PAGE));
    const use = (i: number) => world.manager.acquire(views[i]).release();
    use(0);
    use(1);
    use(0);
    use(2);
    expect(pagesOf(world)).toEqual([
      [0, 1],
      [20, 21],
    ]);
    expect(world.manager.stats()).toMatchObject({ evictions: 1, bytesPinnedMax: 2 * PAGE });
  });

  test('the order is that of the last releases, whatever is leased meanwhile', () => {
    const regions = 6;
    const world = new World({ limits: { regions } });
    const views = Array.from({ length: 14 }, (_, i) => world.view(2 * i, PAGE));
    const random = new Random(11);
    const leased = new Map<number, Lease>();
    // Least recently used first.
    const idle: number[] = [];
    for (let step = 0; step < 2000; step++) {
      const i = random.below(views.length);
      const lease = leased.get(i);
      if (lease) {
        lease.release();
        leased.delete(i);
        idle.push(i);
      } else if (leased.size < regions - 1) {
        leased.set(i, world.manager.acquire(views[i]));
        const at = idle.indexOf(i);
        if (at >= 0) idle.splice(at, 1);
        else if (leased.size + idle.length > regions) idle.shift();
      }
      const cached = [...leased.keys(), ...idle].sort((a, b) => a - b);
      expect(pagesOf(world)).toEqual(cached.map((page) => [2 * page, 2 * page + 1]));
      expect(world.manager.stats()).toMatchObject({
        leases: leased.size,
        regionsIdle: idle.length,
      });
    }
    for (const lease of leased.values()) lease.release();
    expect(world.manager.flush()).toBe(leased.size + idle.length);
  });

  test('a budget of regions, and of slots', () => {
    for (const world of [new World({ limits: { regions: 4 } }), new World({ slots: 4 })]) {
      for (let page = 0; page < 20; page += 2)
        world.manager.acquire(world.view(page, PAGE)).release();
      expect(world.manager.stats()).toMatchObject({ regions: 4, evictions: 6 });
    }
  });

  test('leases that use up all slots: the rest is served without the cache', async () => {
    const world = new World({ slots: 2 });
    const leases = [0, 4].map((page) => world.manager.acquire(world.view(page, PAGE)));
    expect(await world.transfer(world.view(8, PAGE))).toBe(PAGE);
    for (const lease of leases) lease.release();
  });

  test('ENOMEM: evicts and tries again', () => {
    const world = new World({ pinLimit: 4 * PAGE });
    for (let page = 0; page < 8; page += 2) world.manager.acquire(world.view(page, PAGE)).release();
    const lease = world.manager.acquire(world.view(10, 3 * PAGE));
    expect(lease.registered).toBe(true);
    expect(world.manager.stats()).toMatchObject({ evictions: 3, bounced: 0 });
    lease.release();
  });

  test.each([
    ['the whole', 64 * PAGE, 0],
    ['a part of it, in pieces', 3.5 * PAGE, 0],
  ])('ENOMEM with nothing to evict: bounce buffers take %s', async (_, bytes) => {
    const world = new World({ pinLimit: 2 * PAGE });
    const view = world.view(0, bytes);
    for (let i = 0; i < bytes; i++) view[i] = i * 7;
    const wire = new Uint8Array(bytes);
    expect(await world.transfer(view, { direction: 'out', wire })).toBe(bytes);
    expect(Buffer.compare(wire, view)).toBe(0);
    const back = world.view(100, bytes);
    expect(await world.transfer(back, { direction: 'in', wire })).toBe(bytes);
    expect(Buffer.compare(back, view)).toBe(0);
    expect(world.manager.stats().bounced).toBe(2);
    expect(world.domain.stale).toBe(0);
    expect(world.notices).toHaveLength(1);
    world.manager.close();
    expect(world.domain.pinned).toBe(0);
  });

  test('more bounced operations than bounce buffers wait for each other', async () => {
    const world = new World({ pinLimit: 4 * PAGE, deferred: true });
    const views = Array.from({ length: 12 }, (_, i) => world.view(10 * i, 6 * PAGE));
    const wires = views.map(() => new Uint8Array(6 * PAGE));
    for (const [i, view] of views.entries()) view.fill(i + 1);
    const all = views.map((view, i) => world.transfer(view, { wire: wires[i] }));
    world.domain.complete();
    expect(await Promise.all(all)).toEqual(views.map((view) => view.length));
    expect(wires).toEqual(views);
  });

  test('not one page: plain operations where the domain has them, else a clear error', async () => {
    const plain = new World({ pinLimit: 0, plain: true });
    expect(await plain.transfer(plain.view(0, PAGE))).toBe(PAGE);
    expect(plain.manager.stats().plain).toBe(1);
    const world = new World({ pinLimit: 0, plain: false });
    const lease = world.manager.acquire(world.view(0, PAGE));
    expect(codeOf(() => world.manager.post(nothing, lease))).toBe('ERR_NO_MEM');
  });

  test('an operation that cannot be divided says ENOBUFS, and its lease said it before', () => {
    const world = new World({ pinLimit: PAGE });
    const lease = world.manager.acquire(world.view(0, 2 * PAGE));
    expect(lease.registered).toBe(false);
    expect(world.manager.post({ ...nothing, indivisible: true }, lease)).toBeLessThan(0);
  });

  test('the notice names the limit, the need and the fix, once', () => {
    const world = new World({ limits: { bytes: 65536 } });
    for (let i = 0; i < 3; i++) world.manager.acquire(world.view(0, 2 ** 20)).release();
    expect(world.notices).toEqual([expect.stringMatching(/64 KiB.*limits\.bytes.*1 MiB.*larger/)]);
  });

  test('what can never fit drives nothing out', () => {
    const world = new World({ limits: { bytes: 4 * PAGE } });
    world.manager.acquire(world.view(0, PAGE)).release();
    world.manager.acquire(world.view(10, 5 * PAGE)).release();
    expect(pagesOf(world)).toEqual([[0, 1]]);
  });

  test('what the kernel refused is not asked for again at once', () => {
    const world = new World({ pinLimit: 2 * PAGE });
    world.manager.acquire(world.view(0, 3 * PAGE)).release();
    world.manager.acquire(world.view(20, PAGE)).release();
    world.manager.acquire(world.view(0, 3 * PAGE)).release();
    expect(pagesOf(world)).toEqual([[20, 21]]);
    expect(world.manager.stats().refusals).toBe(1);
  });

  test('a manager that is refused asks the others for what they do not use', () => {
    const [one, other] = [new World(), new World()];
    one.manager.acquire(one.view(0, PAGE)).release();
    other.domain.failures.push(-ENOMEM);
    expect(other.manager.acquire(other.view(0, PAGE)).registered).toBe(true);
    expect(one.domain.pinned).toBe(0);
  });
});

describe('R8: no monitor, no cache', () => {
  test('each operation has a registration of its own', async () => {
    const world = new World({ caches: false, promptness: 'naive' });
    const view = world.view(0, PAGE);
    await world.transfer(view);
    world.renew(0, 1);
    await world.transfer(view);
    const lease = world.manager.acquire(view);
    world.manager.post(nothing, lease);
    world.renew(0, 1);
    world.manager.post(nothing, lease);
    await new Promise(setImmediate);
    lease.release();
    expect(world.domain.stale).toBe(0);
    expect(world.domain.pinned).toBe(0);
    expect(world.manager.stats()).toMatchObject({ uncached: 4, registrations: 4, misses: 0 });
  });

  test('a domain that allows it gives the registration back at once', () => {
    const world = new World({ caches: false, promptness: 'naive', deregisterWhilePosted: true });
    const lease = world.manager.acquire(world.view(0, PAGE));
    world.manager.post(nothing, lease);
    expect(world.domain.pinned).toBe(0);
    lease.release();
  });
});
