/** The manager where something fails, or is no argument. */
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { ACCESS } from '../../../../runtime/memory/domain.ts';
import type { Lease } from '../../../../runtime/memory/lease.ts';
import { EAGAIN, EFAULT, ENOMEM, ENOSPC } from './simulated/domain.ts';
import { codeOf, nothing, pagesOf } from './simulated/manager.ts';
import { PAGE } from './simulated/space.ts';
import { World } from './simulated/world.ts';

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
