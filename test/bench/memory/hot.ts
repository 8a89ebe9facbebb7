/** The hot path: leases that hit, and the look before each operation. */
import { RegistrationCache } from '../../../runtime/memory/cache.ts';
import { Counters } from '../../../runtime/memory/counters.ts';
import { ACCESS, type Operation } from '../../../runtime/memory/domain.ts';
import { PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import { FreeDomain, FreeMonitor } from './free.ts';
import { type Line, nanoseconds } from './timing.ts';

const MANY = 500_000;
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
  const lines: Line[] = [
    {
      what: 'acquire + release, by identity',
      value: nanoseconds(MANY, (count) => {
        for (let i = 0; i < count; i++) pinned.acquire(view).release();
      }),
      unit: 'ns',
      most: 80,
    },
    {
      what: 'the same, of a part of the buffer',
      value: nanoseconds(MANY, (count) => {
        for (let i = 0; i < count; i++) pinned.acquire(part).release();
      }),
      unit: 'ns',
      most: 80,
    },
    {
      what: 'the same, with a lease that is used again',
      value: nanoseconds(MANY, (count) => {
        for (let i = 0; i < count; i++) pinned.acquire(view, ACCESS.localWrite, reused).release();
      }),
      unit: 'ns',
      most: 80,
    },
  ];
  pinned.close();
  return lines;
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

export interface ByAddress {
  regions: number;
  /** Nanoseconds of a lease that finds its region by address. */
  lease: number;
  /** Of picking the view to lease, which is in it. */
  pick: number;
}

export function byAddress(regions: number, order: Order): ByAddress {
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
  // A buffer remembers the region of its last lease; another part of it is looked up by address.
  const next = places(order, regions);
  const lease = nanoseconds(MANY, (count) => {
    for (let i = 0; i < count; i++) pinned.acquire(views[next()]).release();
  });
  let bytes = 0;
  const pick = nanoseconds(MANY, (count) => {
    for (let i = 0; i < count; i++) bytes += views[next()].length;
  });
  const { hitsAddress, misses } = pinned.stats();
  if (misses !== regions || hitsAddress < MANY || bytes === 0)
    throw new Error('these were no hits by address');
  pinned.close();
  return { regions, lease, pick };
}

function look(): Line[] {
  const counters = new Counters();
  const budget = { bytes: 0, regions: 0, source: '', fix: '' };
  const port = new FreeDomain().attach();
  const cache = new RegistrationCache(new FreeMonitor(), port, budget, counters, () => {});
  // In registers only: a loop that waited for memory would hide the look behind that.
  let sum = 0;
  const empty = nanoseconds(MANY * 10, (count) => {
    for (let i = 0; i < count; i++) sum ^= i;
  });
  const looking = nanoseconds(MANY * 10, (count) => {
    for (let i = 0; i < count; i++) {
      sum ^= i;
      cache.look();
    }
  });
  cache.close();
  if (!Number.isInteger(sum)) throw new Error('nothing was counted');
  const { manager: pinned, domain } = manager();
  const lease = pinned.acquire(new Uint8Array(PAGE));
  const operation: Operation = { direction: 'out', done() {} };
  const post = nanoseconds(MANY, (count) => {
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

export function hotPath(): Line[] {
  return [
    ...byIdentity(),
    {
      what: 'acquire + release, by address, 10,000 regions in turn',
      value: byAddress(10_000, 'in turn').lease,
      unit: 'ns',
      most: 200,
    },
    ...look(),
  ];
}
