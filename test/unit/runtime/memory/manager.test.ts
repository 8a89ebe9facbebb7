/** The manager: what is looked up, kept, merged and leased. */
import { describe, expect, test } from 'vitest';
import { ACCESS } from '../../../../runtime/memory/domain.ts';
import { codeOf, nothing, pagesOf } from './simulated/manager.ts';
import { PAGE } from './simulated/space.ts';
import { ARENA, World } from './simulated/world.ts';

describe('look-up', () => {
  test('the second lease of a view hits by identity and registers nothing', () => {
    const world = new World();
    const view = world.view(1, 3 * PAGE);
    world.manager.acquire(view).release();
    world.manager.acquire(view.subarray(100, 200)).release();
    expect(world.manager.stats()).toMatchObject({ misses: 1, hitsIdentity: 1, registrations: 1 });
  });

  test('another buffer inside a cached range hits by address, then by identity', () => {
    const world = new World();
    world.manager.acquire(world.view(1, 4 * PAGE)).release();
    const inner = new ArrayBuffer(PAGE);
    world.space.place(inner, ARENA + 2 * PAGE + 64);
    world.manager.acquire(new Uint8Array(inner)).release();
    world.manager.acquire(new Uint8Array(inner)).release();
    expect(world.manager.stats()).toMatchObject({ misses: 1, hitsAddress: 1, hitsIdentity: 1 });
  });

  test('ranges are rounded to pages', () => {
    const world = new World();
    world.manager.acquire(world.view(5, 10, PAGE - 5)).release();
    expect(pagesOf(world)).toEqual([[5, 7]]);
  });

  test('a lease for more access than is cached registers again, for both', () => {
    const world = new World();
    const view = world.view(1, PAGE);
    world.manager.acquire(view, ACCESS.localRead).release();
    world.manager.acquire(view, ACCESS.localWrite).release();
    world.manager.acquire(view, ACCESS.localRead).release();
    expect(world.domain.registrations).toMatchObject([{ access: ACCESS.localWrite }]);
    expect(world.manager.stats()).toMatchObject({ misses: 2, hitsIdentity: 1 });
  });
});

describe('memory that is kept', () => {
  const access = ACCESS.localWrite | ACCESS.remoteRead;

  test('is registered once, is found by any view of it, and is not evicted', () => {
    const world = new World();
    const buffer = world.buffer(1, 3 * PAGE);
    expect(world.manager.keep(buffer, access)).not.toBeNull();
    expect(world.manager.keep(buffer, access)).not.toBeNull();
    world.manager.flush();
    world.manager.acquire(new Uint8Array(buffer), access).release();
    world.manager.acquire(new Uint8Array(buffer, PAGE, 5), ACCESS.localRead).release();
    expect(pagesOf(world)).toEqual([[1, 4]]);
    expect(world.manager.stats()).toMatchObject({ misses: 0, hitsIdentity: 2, registrations: 1 });
    expect(world.domain.registrations).toMatchObject([{ access }]);
    world.manager.close();
    expect(world.domain.registrations).toEqual([]);
  });

  test('its owner may end it, once', () => {
    const world = new World();
    const end = world.manager.keep(world.buffer(1, PAGE), access);
    end?.();
    end?.();
    expect(world.domain.registrations).toEqual([]);
    world.manager.close();
  });

  test('for more access than it has, it is leased as other memory is', () => {
    const world = new World();
    const buffer = world.buffer(1, PAGE);
    world.manager.keep(buffer, ACCESS.localRead);
    world.manager.acquire(new Uint8Array(buffer), ACCESS.localWrite).release();
    expect(world.domain.registrations).toHaveLength(2);
    world.manager.acquire(new Uint8Array(buffer), ACCESS.localRead).release();
    expect(world.manager.stats()).toMatchObject({ misses: 1, hitsIdentity: 1 });
  });

  test('beyond the budget it is not kept', () => {
    const world = new World({ limits: { bytes: 2 * PAGE } });
    expect(world.manager.keep(world.buffer(1, 3 * PAGE), access)).toBeNull();
    expect(world.domain.registrations).toEqual([]);
  });

  test('what can move or has no bytes is refused', () => {
    const world = new World();
    const resizable = new ArrayBuffer(PAGE, { maxByteLength: 2 * PAGE });
    expect(codeOf(() => world.manager.keep(resizable, access))).toBe('ERR_BUFFER');
    expect(codeOf(() => world.manager.keep(new ArrayBuffer(0), access))).toBe('ERR_BUFFER');
  });
});

describe('overlap', () => {
  test('overlapping ranges become one registration', () => {
    const world = new World();
    const whole = world.buffer(0, 10 * PAGE);
    world.manager.acquire(new Uint8Array(whole, 0, 6 * PAGE)).release();
    world.manager.acquire(new Uint8Array(whole, 4 * PAGE, 6 * PAGE)).release();
    expect(pagesOf(world)).toEqual([[0, 10]]);
    expect(world.manager.stats().merges).toBe(1);
  });

  test('ranges that overlap and are too long together do not stay beside each other', () => {
    const world = new World({ regionBytesMax: 8 * PAGE });
    const whole = world.buffer(0, 10 * PAGE);
    world.manager.acquire(new Uint8Array(whole, 0, 6 * PAGE)).release();
    world.manager.acquire(new Uint8Array(whole, 4 * PAGE, 6 * PAGE)).release();
    expect(pagesOf(world)).toEqual([[4, 10]]);
  });

  test('ranges beside each other become one, a byte registered log n times', () => {
    const world = new World();
    const pages = 64;
    for (let page = 0; page < pages; page++)
      world.manager.acquire(world.view(page, PAGE)).release();
    expect(pagesOf(world)).toEqual([[0, pages]]);
    const { registrations } = world.manager.stats();
    expect(registrations).toBeLessThanOrEqual(pages * 2);
  });

  test('a leased range that a larger one absorbs stays registered until its lease ends', () => {
    const world = new World({ deferred: true });
    const whole = world.buffer(0, 4 * PAGE);
    const inner = world.manager.acquire(new Uint8Array(whole, PAGE, PAGE));
    const outer = world.manager.acquire(new Uint8Array(whole));
    expect(pagesOf(world)).toEqual([
      [0, 4],
      [1, 2],
    ]);
    expect(world.manager.post(nothing, inner)).toBe(0);
    world.domain.complete();
    inner.release();
    expect(pagesOf(world)).toEqual([[0, 4]]);
    outer.release();
  });
});

describe('leases', () => {
  test('nested and shared leases keep one registration; the last ends a zombie', async () => {
    const world = new World();
    const view = world.view(0, PAGE);
    const first = world.manager.acquire(view);
    const second = world.manager.acquire(view);
    world.renew(0, 1);
    world.manager.flush();
    expect(world.domain.registrations).toHaveLength(1);
    first.release();
    first.release();
    expect(world.domain.registrations).toHaveLength(1);
    second.release();
    expect(world.domain.registrations).toHaveLength(0);
    expect(world.monitor.watched).toBe(0);
    expect(world.manager.stats()).toMatchObject({ leases: 0, bytesPinned: 0, invalidations: 1 });
  });

  test('a released lease posts nothing, and can be used again by its owner', () => {
    const world = new World({ deregisterWhilePosted: true });
    const view = world.view(0, PAGE);
    const lease = world.manager.acquire(view);
    expect(codeOf(() => world.manager.acquire(view, 1, lease))).toBe('ERR_ARG');
    lease.release();
    expect(codeOf(() => world.manager.post(nothing, lease))).toBe('ERR_REQUEST');
    expect(world.manager.acquire(view, 1, lease)).toBe(lease);
    expect(world.manager.post(nothing, lease)).toBe(0);
    lease.release();
    // What was refused has left nothing held.
    expect(world.manager.stats()).toMatchObject({ leases: 0, regionsIdle: 1 });
  });

  test('a lease of another manager is refused', () => {
    const [one, other] = [new World(), new World()];
    const lease = one.manager.acquire(one.view(0, PAGE));
    expect(codeOf(() => other.manager.post(nothing, lease))).toBe('ERR_ARG');
  });

  test('close waits for what is leased, and refuses what comes after it', () => {
    const world = new World();
    const view = world.view(0, PAGE);
    const lease = world.manager.acquire(view);
    world.manager.close();
    expect(codeOf(() => world.manager.acquire(view))).toBe('ERR_CLOSED');
    expect(codeOf(() => world.manager.post(nothing, lease))).toBe('ERR_CLOSED');
    expect([world.domain.pinned, world.monitor.closed]).toEqual([PAGE, false]);
    lease.release();
    expect([world.domain.pinned, world.monitor.closed, world.domain.closed]).toEqual([
      0,
      true,
      true,
    ]);
  });
});
