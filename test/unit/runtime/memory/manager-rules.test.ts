/** The rules R1 to R4 of the manager: what is posted is never stale. */
import { describe, expect, test } from 'vitest';
import { RETRIES_MAX } from '../../../../runtime/memory/cache.ts';
import { codeOf, nothing, pagesOf } from './simulated/manager.ts';
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
