/** The hot path: leases that hit, and the look before each operation. */
import { RegistrationCache } from '../../../runtime/memory/cache.ts';
import { Counters } from '../../../runtime/memory/counters.ts';
import { ACCESS, type Operation } from '../../../runtime/memory/domain.ts';
import { PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import { FreeDomain, FreeMonitor } from './free.ts';
import { type Line, nanoseconds } from './timing.ts';

const MANY = 200_000;
const PAGE = 4096;
/** Every other page, so that no two regions lie beside each other and become one. */
const STRIDE = 2 * PAGE;

function manager() {
  const domain = new FreeDomain();
  const made = new PinnedMemoryManager({
    monitor: new FreeMonitor(),
    domain,
    limits: { bytes: 2 ** 50, regions: 2 ** 20 },
  });
  return { manager: made, domain };
}

function byIdentity(): Line[] {
  const { manager: pinned } = manager();
  const view = new Uint8Array(1 << 20);
  const part = view.subarray(5000, 70_000);
  pinned.acquire(view).release();
  const reused = pinned.acquire(view);
  reused.release();
  const [whole, ofPart, again] = nanoseconds(
    MANY,
    (count) => {
      for (let i = 0; i < count; i++) pinned.acquire(view).release();
    },
    (count) => {
      for (let i = 0; i < count; i++) pinned.acquire(part).release();
    },
    (count) => {
      for (let i = 0; i < count; i++) pinned.acquire(view, ACCESS.localWrite, reused).release();
    },
  );
  pinned.close();
  const line = (what: string, value: number) => ({ what, value, unit: 'ns', most: 80 });
  return [
    line('acquire + release, by identity', whole),
    line('the same, of a part of the buffer', ofPart),
    line('the same, with a lease that is used again', again),
  ];
}

/** The order in which views are leased: one after the other, or each time any of them. */
export type Order = 'in turn' | 'at random';

/** The next of `count` places. */
function places(order: Order, count: number): () => number {
  let place = 0;
  if (order === 'in turn')
    return () => {
      place = place + 1 === count ? 0 : place + 1;
      return place;
    };
  return () => {
    place = (Math.imul(place, 1664525) + 1013904223) & 0x7fffffff;
    return place % count;
  };
}

/** Nanoseconds. */
export interface Hit {
  /** A lease that finds its region by address, and its end. */
  lease: number;
  /** Of it, picking the view to lease. */
  pick: number;
}

export interface ByAddress {
  regions: number;
  inTurn: Hit;
  atRandom: Hit;
}

export function byAddress(regions: number): ByAddress {
  const { manager: pinned } = manager();
  // The pages are never touched: the memory is addresses only.
  const buffers: ArrayBuffer[] = [];
  const perBuffer = 2 ** 16;
  const views: Uint8Array[] = [];
  for (let i = 0; i < regions; i++) {
    if (i % perBuffer === 0) buffers.push(new ArrayBuffer(perBuffer * STRIDE));
    views.push(new Uint8Array(buffers[buffers.length - 1], (i % perBuffer) * STRIDE, 64));
  }
  for (const view of views) pinned.acquire(view).release();
  let bytes = 0;
  const loops = (['in turn', 'at random'] as const).flatMap((order) => {
    // A buffer remembers the region of its last lease; another part of it is looked up by address.
    const next = places(order, regions);
    return [
      (count: number) => {
        for (let i = 0; i < count; i++) pinned.acquire(views[next()]).release();
      },
      (count: number) => {
        for (let i = 0; i < count; i++) bytes += views[next()].length;
      },
    ];
  });
  const [turn, pickTurn, random, pickRandom] = nanoseconds(MANY, ...loops);
  const { hitsAddress, hitsIdentity, misses } = pinned.stats();
  // At random, the same view comes twice in a row now and then.
  if (misses !== regions || hitsAddress < 20 * hitsIdentity || bytes === 0)
    throw new Error('these were no hits by address');
  pinned.close();
  return {
    regions,
    inTurn: { lease: turn, pick: pickTurn },
    atRandom: { lease: random, pick: pickRandom },
  };
}

function look(): Line[] {
  const counters = new Counters();
  const budget = { bytes: 0, regions: 0, source: '', fix: '' };
  const port = new FreeDomain().attach();
  const cache = new RegistrationCache(new FreeMonitor(), port, budget, counters, () => {});
  // In registers only: a loop that waited for memory would hide the look behind that.
  let sum = 0;
  const [empty, looking] = nanoseconds(
    MANY * 10,
    (count) => {
      for (let i = 0; i < count; i++) sum ^= i;
    },
    (count) => {
      for (let i = 0; i < count; i++) {
        sum ^= i;
        cache.look();
      }
    },
  );
  cache.close();
  if (!Number.isInteger(sum)) throw new Error('nothing was counted');
  const { manager: pinned, domain } = manager();
  const lease = pinned.acquire(new Uint8Array(PAGE));
  const operation: Operation = { direction: 'out', done() {} };
  const [post] = nanoseconds(MANY, (count) => {
    for (let i = 0; i < count; i++) pinned.post(operation, lease);
  });
  if (domain.posted === 0) throw new Error('nothing was posted');
  lease.release();
  pinned.close();
  return [
    { what: 'the look (busy word and user_delta)', value: looking - empty, unit: 'ns', most: 5 },
    { what: 'post, all of it but the domain', value: post, unit: 'ns' },
  ];
}

/** The figures with an aim. By address: those of the curve with 10,000 regions, measured once. */
export function hotPath({ regions, inTurn, atRandom }: ByAddress): Line[] {
  const what = `acquire + release, by address, ${regions.toLocaleString('en')} regions`;
  return [
    ...byIdentity(),
    { what: `${what} in turn`, value: inTurn.lease, unit: 'ns', most: 200 },
    { what: `${what} at random`, value: atRandom.lease, unit: 'ns', most: 200 },
    ...look(),
  ];
}
