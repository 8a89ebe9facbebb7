/** Domains and monitors that do not give back what they were given: counted, and nothing else lost. */
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { PAGE } from './simulated/space.ts';
import { World, type WorldOptions } from './simulated/world.ts';

const { EBUSY, EIO } = constants.errno;

/** Far enough from each other to stay apart. */
const PLACES = [0, 10, 20, 30];

function filled(options: WorldOptions = {}): { world: World; views: Uint8Array[] } {
  const world = new World(options);
  const views = PLACES.map((page) => world.view(page, PAGE));
  for (const view of views) world.manager.acquire(view).release();
  return { world, views };
}

const failure = (message: string) =>
  expect.objectContaining({ code: 'ERR_SYSTEM', message: expect.stringContaining(message) });

/** The manager still serves all of memory, with the right bytes, and from the cache. */
async function serves(world: World): Promise<void> {
  const view = world.view(50, PAGE);
  view.fill(7);
  const wire = new Uint8Array(PAGE);
  expect(await world.transfer(view, { direction: 'out', wire })).toBe(PAGE);
  expect(wire).toEqual(view);
  expect(world.domain.stale).toBe(0);
}

test('a deregistration that fails: its bytes stay counted, the others are given back', async () => {
  const { world } = filled();
  world.domain.deregisterFailures.push(0, -EIO);
  expect(world.manager.flush()).toBe(4);
  expect(world.manager.stats()).toMatchObject({
    registrations: 4,
    deregistrations: 3,
    deregistrationErrors: 1,
    bytesPinned: PAGE,
    regions: 1,
    regionsIdle: 0,
  });
  expect(world.monitor.watched).toBe(0);
  await serves(world);
  expect(() => world.manager.close()).toThrowError(failure('1 registrations and 0 slots'));
  expect(world.domain.closed && world.monitor.closed).toBe(true);
  expect(world.domain.registrations).toHaveLength(1);
  // It says so once.
  world.manager.close();
});

test('a slot that is not given up: its registration is, and the slot is not used again', async () => {
  const { world } = filled({ slots: 4 });
  world.monitor.unmonitorFailures.push(-EBUSY);
  expect(world.manager.flush()).toBe(4);
  expect(world.domain.registrations).toEqual([]);
  expect(world.monitor.watched).toBe(1);
  expect(world.manager.stats()).toMatchObject({ unmonitorErrors: 1, deregistrationErrors: 0 });
  // The simulated monitor throws where a slot is taken that is watched already.
  const again = PLACES.map((page) => world.manager.acquire(world.view(page, PAGE)));
  expect(again.filter((lease) => lease.registered)).toHaveLength(3);
  await serves(world);
  // It may still fire; nobody is there whom it could concern.
  world.renew(0, 40);
  for (const lease of again) lease.release();
  await serves(world);
  expect(() => world.manager.close()).toThrowError(failure('0 registrations and 1 slots'));
  expect(world.domain.closed && world.monitor.closed).toBe(true);
  expect(world.domain.registrations).toEqual([]);
});

test.each([0, 1, 3])('of slots that fired together number %i is not given up', async (which) => {
  const { world, views } = filled();
  for (let i = 0; i < which; i++) world.monitor.unmonitorFailures.push(0);
  world.monitor.unmonitorFailures.push(-EBUSY);
  world.renew(0, 31);
  for (const view of views) expect(await world.transfer(view)).toBe(PAGE);
  expect(world.domain.stale).toBe(0);
  expect(world.manager.stats()).toMatchObject({
    invalidations: 4,
    unmonitorErrors: 1,
    bytesPinned: 4 * PAGE,
  });
  world.manager.flush();
  expect(world.domain.registrations).toEqual([]);
  expect(world.monitor.watched).toBe(1);
  expect(() => world.manager.close()).toThrowError(failure('1 slots'));
});

test('both fail when the last lease ends after close: its release says so', () => {
  const { world, views } = filled();
  const lease = world.manager.acquire(views[0]);
  world.manager.close();
  expect(world.domain.closed).toBe(false);
  world.monitor.unmonitorFailures.push(-EBUSY);
  world.domain.deregisterFailures.push(-EIO);
  expect(() => lease.release()).toThrowError(failure('1 registrations and 1 slots'));
  expect(world.domain.closed && world.monitor.closed).toBe(true);
});
