import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { MpiError } from '../../../../runtime/base/error.ts';
import { RETRIES_MAX } from '../../../../runtime/memory/cache.ts';
import { ACCESS } from '../../../../runtime/memory/domain.ts';
import type { Lease } from '../../../../runtime/memory/lease.ts';
import { Random } from '../../../tools/random.ts';
import { EAGAIN, EFAULT, ENOMEM, ENOSPC, type SimulatedOperation } from './simulated/domain.ts';
import { PAGE } from './simulated/space.ts';
import { ARENA, World } from './simulated/world.ts';

/** As the TypeScript library for browsers declares it; Node's types do not. */
declare const WebAssembly: {
  Memory: new (limits: {
    initial: number;
    maximum: number;
  }) => {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  };
};

const nothing: SimulatedOperation = { direction: 'out', done: () => {} };

/** The code of the MpiError that a call throws. */
function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof MpiError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

/** The pages [from, to) of each registration, in order of address. */
const pagesOf = (world: World) =>
  world.domain.registrations
    .map(({ start, end }) => [(start - ARENA) / PAGE, (end - ARENA) / PAGE])
    .sort(([a], [b]) => a - b);

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

describe('R1: monitor, register, look', () => {
  test('memory that changes between monitor and register is registered again', async () => {
    const world = new World();
    const view = world.view(0, PAGE);
    let changes = 2;
    world.domain.onRegister = () => {
      if (changes-- > 0) world.renew(0, 1);
    };
    await world.transfer(view);
    expect(world.manager.stats()).toMatchObject({ retries: 2, misses: 1, uncached: 0, regions: 1 });
    expect(world.domain.stale).toBe(0);
  });

  test('after three retries the operation is served without the cache', async () => {
    const world = new World();
    const view = world.view(0, PAGE);
    world.domain.onRegister = () => world.renew(0, 1);
    expect(await world.transfer(view)).toBe(PAGE);
    expect(world.manager.stats()).toMatchObject({ retries: RETRIES_MAX, uncached: 1, regions: 0 });
    expect(world.domain.stale).toBe(0);
    expect(world.monitor.watched).toBe(0);
  });
});

describe('R2: look before each post', () => {
  test.each(['prompt', 'busy'] as const)(
    'memory changed under a lease (%s)',
    async (promptness) => {
      const world = new World({ promptness });
      const lease = world.manager.acquire(world.view(0, 2 * PAGE));
      world.manager.post(nothing, lease);
      world.renew(1, 2);
      world.manager.post(nothing, lease);
      expect(world.domain.stale).toBe(0);
      expect(world.manager.stats()).toMatchObject({ renewals: 1, invalidations: 1 });
      await new Promise(setImmediate);
      lease.release();
      world.manager.flush();
      expect(world.domain.pinned).toBe(0);
    },
  );

  test('with a naive monitor the same carries stale bytes', () => {
    const world = new World({ promptness: 'naive' });
    const lease = world.manager.acquire(world.view(0, 2 * PAGE));
    world.renew(1, 2);
    world.manager.post(nothing, lease);
    expect(world.domain.stale).toBe(1);
  });

  test('memory that changes before every post of a lease is served without the cache', async () => {
    const world = new World();
    const lease = world.manager.acquire(world.view(0, PAGE));
    for (let i = 0; i < 10; i++) {
      world.renew(0, 1);
      world.manager.post(nothing, lease);
    }
    expect(world.domain.stale).toBe(0);
    expect(world.manager.stats().uncached).toBeGreaterThan(0);
    await new Promise(setImmediate);
    lease.release();
    expect(world.domain.pinned).toBe(0);
  });

  test('the fence makes a new owner of an address wait for the end of the old one', async () => {
    const world = new World({ promptness: 'pending' });
    await world.transfer(world.view(3, PAGE));
    world.unmap(3, 4);
    // The event is still unread when another buffer gets the address.
    await world.transfer(world.view(3, PAGE));
    expect(world.domain.stale).toBe(0);
    expect(world.manager.stats()).toMatchObject({ misses: 2, hitsAddress: 0 });
  });

  test('every post had its look', async () => {
    const world = new World();
    const view = world.view(0, PAGE);
    const lease = world.manager.acquire(view);
    for (let i = 0; i < 5; i++) world.manager.post(nothing, lease);
    world.renew(0, 1);
    for (let i = 0; i < 5; i++) world.manager.post(nothing, lease);
    const { audit } = world.manager.stats();
    expect(audit).toEqual({ posts: 10, checks: 11, refused: 1 });
    expect(world.domain.posts).toBe(10);
  });
});

describe('R3: reap', () => {
  test('the ring names what fired; the rest stays', () => {
    const world = new World();
    const views = [0, 10, 20].map((page) => world.view(page, PAGE));
    for (const view of views) world.manager.acquire(view).release();
    world.unmap(10, 11);
    world.manager.acquire(views[0]).release();
    expect(pagesOf(world)).toEqual([
      [0, 1],
      [20, 21],
    ]);
  });

  test.each([
    ['2^32', -10],
    ['2^31', 2 ** 31 - 10],
  ])('all slots fire at once, and user_delta passes %s', (_, delta) => {
    const world = new World({ slots: 64, delta });
    const views = Array.from({ length: 64 }, (_, i) => world.view(2 * i, PAGE));
    for (const view of views) world.manager.acquire(view).release();
    world.renew(0, 128);
    for (const view of views) world.manager.acquire(view).release();
    expect(world.manager.stats()).toMatchObject({ invalidations: 64, misses: 128, regions: 64 });
    expect(world.domain.stale).toBe(0);
  });

  test('a slot that fires as it is given up is not taken for its next region', () => {
    const world = new World({ limits: { bytes: PAGE } });
    world.manager.acquire(world.view(0, PAGE)).release();
    world.renew(0, 1);
    const lease = world.manager.acquire(world.view(5, PAGE));
    world.manager.flush();
    expect(lease.registered).toBe(true);
    expect(world.manager.stats().invalidations).toBe(1);
    expect(world.manager.post(nothing, lease)).toBe(0);
    expect(world.manager.stats().renewals).toBe(0);
  });

  test('the reasons that the monitor gives are counted', () => {
    const world = new World();
    world.manager.acquire(world.view(0, PAGE)).release();
    world.manager.acquire(world.view(5, PAGE)).release();
    world.unmap(0, 1);
    world.renew(5, 6);
    world.manager.flush();
    expect(world.manager.stats().invalidationsByReason).toMatchObject({ unmap: 1, clear: 1 });
  });
});

describe('R4: buffers that go away', () => {
  const gone: [string, (world: World) => [Uint8Array, () => void]][] = [
    [
      'transferred',
      (world) => {
        const buffer = world.buffer(0, PAGE);
        return [new Uint8Array(buffer), () => structuredClone(buffer, { transfer: [buffer] })];
      },
    ],
    [
      'shrunk',
      (world) => {
        const buffer = new ArrayBuffer(2 * PAGE, { maxByteLength: 4 * PAGE });
        world.space.map(ARENA, ARENA + 4 * PAGE);
        world.space.place(buffer, ARENA);
        return [new Uint8Array(buffer, PAGE, PAGE), () => buffer.resize(PAGE)];
      },
    ],
    [
      'resized under a view that follows it',
      (world) => {
        const buffer = new ArrayBuffer(2 * PAGE, { maxByteLength: 4 * PAGE });
        world.space.map(ARENA, ARENA + 4 * PAGE);
        world.space.place(buffer, ARENA);
        return [new Uint8Array(buffer), () => buffer.resize(3 * PAGE)];
      },
    ],
    [
      'grown WebAssembly memory',
      (world) => {
        const memory = new WebAssembly.Memory({ initial: 1, maximum: 2 });
        world.space.map(ARENA, ARENA + 65536);
        world.space.place(memory.buffer, ARENA);
        return [new Uint8Array(memory.buffer), () => memory.grow(1)];
      },
    ],
  ];

  test.each(gone)('%s: an error before anything is posted', (_, make) => {
    const world = new World();
    const [view, go] = make(world);
    const lease = world.manager.acquire(view);
    go();
    expect(codeOf(() => world.manager.post(nothing, lease))).toBe('ERR_BUFFER');
    expect(world.domain.posts).toBe(0);
    lease.release();
  });

  test('a detached buffer, a view out of bounds, a detached DataView cannot be leased', () => {
    const world = new World();
    const buffer = world.buffer(0, PAGE);
    const views = [new Uint8Array(buffer), new DataView(buffer)];
    world.manager.acquire(views[1]).release();
    structuredClone(buffer, { transfer: [buffer] });
    for (const view of views) expect(codeOf(() => world.manager.acquire(view))).toBe('ERR_BUFFER');
    const resizable = new ArrayBuffer(PAGE, { maxByteLength: PAGE });
    const tail = new Uint8Array(resizable, 100, 100);
    resizable.resize(50);
    expect(codeOf(() => world.manager.acquire(tail))).toBe('ERR_BUFFER');
  });

  test('a transferred buffer is met again at its address, and its registration serves it', async () => {
    const world = new World();
    const buffer = world.buffer(0, PAGE);
    await world.transfer(new Uint8Array(buffer));
    const moved = structuredClone(buffer, { transfer: [buffer] });
    world.space.place(moved, ARENA);
    await world.transfer(new Uint8Array(moved));
    expect(world.manager.stats()).toMatchObject({ hitsAddress: 1, misses: 1 });
  });
});

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

describe('failures at each point', () => {
  test.each([
    ['monitor: used up', ENOSPC, 0, { uncached: 1 }],
    ['monitor: cannot watch this memory', EFAULT, 0, { uncached: 1 }],
    ['register: used up', 0, ENOMEM, { bounced: 1 }],
    ['register: refused', 0, 95, { uncached: 1 }],
  ] as const)('%s', async (_, monitorErrno, domainErrno, counted) => {
    const world = new World();
    if (monitorErrno) world.monitor.failures.push(-monitorErrno);
    if (domainErrno) world.domain.failures.push(-domainErrno);
    const view = world.view(0, PAGE);
    expect(await world.transfer(view)).toBe(PAGE);
    expect(world.manager.stats()).toMatchObject(counted);
    expect(world.monitor.watched).toBe(0);
    await world.transfer(view);
    world.manager.close();
    expect(world.domain.pinned).toBe(0);
  });

  test('no such memory: a plain operation where there is one, else an error', async () => {
    const plain = new World({ plain: true });
    const view = plain.view(0, PAGE);
    plain.unmap(0, 1);
    await plain.transfer(view);
    expect(plain.manager.stats().plain).toBe(1);
    const world = new World({ plain: false });
    const lease = world.manager.acquire(world.view(0, PAGE));
    world.unmap(0, 1);
    expect(codeOf(() => world.manager.post(nothing, lease))).toBe('ERR_BUFFER');
  });

  test('a full queue: EAGAIN to the caller, another try between the pieces', async () => {
    const world = new World({ pinLimit: 4 * PAGE });
    world.domain.postFailures.push(-EAGAIN);
    const small = world.manager.acquire(world.view(0, PAGE));
    expect(world.manager.post(nothing, small)).toBe(-EAGAIN);
    world.domain.postFailures.push(0, -EAGAIN, -EAGAIN);
    expect(await world.transfer(world.view(10, 8 * PAGE))).toBe(8 * PAGE);
    small.release();
  });

  test('longer than a registration can be: piece by piece, each cached', async () => {
    const world = new World({ regionBytesMax: 8 * PAGE });
    const view = world.view(0, 40 * PAGE, 24);
    view.forEach((_, i) => {
      view[i] = i >> 8;
    });
    const wire = new Uint8Array(view.length);
    expect(await world.transfer(view, { wire })).toBe(view.length);
    expect(Buffer.compare(wire, view)).toBe(0);
    const { registrations } = world.manager.stats();
    await world.transfer(view, { wire });
    expect(world.manager.stats().registrations).toBe(registrations);
    expect(world.manager.stats().leases).toBe(0);
  });
});

describe('bad arguments', () => {
  test('what is no view', () => {
    const world = new World();
    for (const view of [undefined, null, 5, 'abc', {}, [], new ArrayBuffer(8)])
      expect(codeOf(() => world.manager.acquire(view as unknown as Uint8Array))).toBe('ERR_ARG');
  });

  test('a typed array is as long as it is, not as it says', () => {
    const world = new World();
    class Longer extends Uint8Array {
      override get length() {
        return 2 * PAGE;
      }
      override get byteLength() {
        return 2 * PAGE;
      }
      override get byteOffset() {
        return PAGE;
      }
    }
    const view = new Longer(world.buffer(0, PAGE));
    for (let i = 0; i < 2; i++) {
      const lease = world.manager.acquire(view);
      expect(lease.byteLength).toBe(PAGE);
      expect(codeOf(() => world.manager.post(nothing, lease, PAGE, 1))).toBe('ERR_COUNT');
      lease.release();
    }
    expect(pagesOf(world)).toEqual([[0, 1]]);
  });

  test('memory reaches as far as it does, not as it says', () => {
    const world = new World();
    const buffer = Object.defineProperties(world.buffer(0, 4 * PAGE), {
      byteLength: { value: PAGE },
      maxByteLength: { value: PAGE },
    });
    world.manager.acquire(new Uint8Array(buffer, 0, PAGE)).release();
    world.manager.acquire(new Uint8Array(buffer, 3 * PAGE, PAGE)).release();
    expect(pagesOf(world)).toEqual([
      [0, 1],
      [3, 4],
    ]);
    expect(world.manager.keep(buffer, ACCESS.localRead)).not.toBeNull();
    expect(pagesOf(world)).toContainEqual([0, 4]);
  });

  test('a DataView, a typed array: of whatever realm, and whatever it says', () => {
    const world = new World();
    const buffer = world.buffer(0, PAGE);
    const lies = { length: { value: 5 }, byteLength: { value: PAGE }, byteOffset: { value: 7 } };
    for (const view of [
      Object.defineProperties(new DataView(buffer, 0, 8), lies),
      Object.defineProperties(new Uint8Array(buffer, 0, 8), { length: { value: undefined } }),
      runInNewContext('(buffer) => new DataView(buffer, 0, 8)')(buffer),
      runInNewContext('(buffer) => new Float64Array(buffer, 0, 1)')(buffer),
    ]) {
      const lease = world.manager.acquire(view);
      expect(lease.byteLength).toBe(8);
      lease.release();
    }
  });

  test('what cannot be kept', () => {
    const world = new World();
    for (const buffer of [undefined, null, 5, {}, new Uint8Array(8)])
      expect(codeOf(() => world.manager.keep(buffer as never, ACCESS.localRead))).toBe('ERR_ARG');
  });

  test('ranges outside of the lease', () => {
    const world = new World();
    const lease: Lease = world.manager.acquire(world.view(0, 100));
    for (const [offset, length] of [
      [0, 101],
      [100, 1],
      [-1, 10],
      [0, 0],
      [0.5, 10],
      [0, Number.NaN],
      [2 ** 53, 1],
    ])
      expect(codeOf(() => world.manager.post(nothing, lease, offset, length))).toBe('ERR_COUNT');
    expect(world.domain.posts).toBe(0);
  });

  test('a view of no bytes is leased, and nothing can be posted on it', () => {
    const world = new World();
    const lease = world.manager.acquire(new Uint8Array(0));
    expect(codeOf(() => world.manager.post(nothing, lease))).toBe('ERR_COUNT');
    lease.release();
    expect(world.manager.stats()).toMatchObject({ leases: 0, registrations: 0 });
  });

  test('bytes cannot come into memory leased for reading', () => {
    const world = new World();
    const lease = world.manager.acquire(world.view(0, PAGE), ACCESS.localRead);
    expect(codeOf(() => world.manager.post({ ...nothing, direction: 'in' }, lease))).toBe(
      'ERR_ARG',
    );
  });

  test('limits that are no limits', () => {
    expect(codeOf(() => new World({ limits: { bytes: -1 } }))).toBe('ERR_ARG');
    expect(codeOf(() => new World({ limits: { regions: Number.NaN } }))).toBe('ERR_ARG');
  });

  test('a domain serves one manager', () => {
    const world = new World();
    expect(codeOf(() => world.domain.attach())).toBe('ERR_ARG');
  });

  test('shared memory, Buffers, every kind of typed array', async () => {
    const world = new World();
    const shared = new SharedArrayBuffer(PAGE);
    const views = [
      new Uint8Array(shared),
      Buffer.alloc(100),
      new Float64Array(9),
      new BigInt64Array(3),
      new DataView(new ArrayBuffer(50), 7),
    ];
    // Met for the first time, then known.
    for (const view of [...views, ...views]) {
      const lease = world.manager.acquire(view);
      expect(lease.byteLength).toBe(view.byteLength);
      expect(world.manager.post(nothing, lease)).toBe(0);
      await new Promise(setImmediate);
      lease.release();
    }
    // A DataView is leased as a Uint8Array made for it, of a buffer that is known.
    expect(world.manager.stats().hitsIdentity).toBe(views.length);
  });
});
