/**
 * The manager's counters. They lie in one Float64Array, so counting is one addition in memory and never
 * allocates. An object for the reader is made only on request.
 */
import { REASONS, type Reason } from './monitor.ts';

/** Places in {@link Counters.values}. */
export const COUNT = {
  hitsIdentity: 0,
  hitsAddress: 1,
  misses: 2,
  registrations: 3,
  deregistrations: 4,
  deregistrationErrors: 5,
  invalidations: 6,
  retries: 7,
  evictions: 8,
  merges: 9,
  renewals: 10,
  uncached: 11,
  bounced: 12,
  plain: 13,
  refusals: 14,
  bytesPinned: 15,
  bytesPinnedMax: 16,
  regions: 17,
  unmonitorErrors: 18,
} as const;

type CountName = keyof typeof COUNT;

/** A snapshot of a manager's counters. [The guide](../guide/registration-cache.md#counters) explains each. */
export type Stats = Record<CountName, number> & {
  /** The monitor's name. */
  monitor: string;
  /** The domain's name. */
  domain: string;
  /** Invalidations that the monitor gave a reason for, by reason. */
  invalidationsByReason: Record<Reason, number>;
  /** Leases that live now. */
  leases: number;
  /** Cached regions without a lease. */
  regionsIdle: number;
  /** Bytes that may be registered at one time. */
  bytesLimit: number;
  /** Registrations that there may be at one time. */
  regionsLimit: number;
  /** Where `bytesLimit` comes from. */
  bytesLimitSource: string;
  /** With `audit`: operations posted, looks before them, and looks that refused an operation. */
  audit?: { posts: number; checks: number; refused: number };
};

export class Counters {
  readonly values: Float64Array = new Float64Array(Object.keys(COUNT).length);
  readonly reasons: Float64Array = new Float64Array(REASONS.length);

  /** Something was registered (bytes > 0) or deregistered (bytes < 0). */
  pinned(bytes: number): void {
    const values = this.values;
    values[COUNT.bytesPinned] += bytes;
    values[COUNT.regions] += Math.sign(bytes);
    values[bytes > 0 ? COUNT.registrations : COUNT.deregistrations] += 1;
    if (values[COUNT.bytesPinned] > values[COUNT.bytesPinnedMax])
      values[COUNT.bytesPinnedMax] = values[COUNT.bytesPinned];
  }

  snapshot(): Record<CountName, number> & Pick<Stats, 'invalidationsByReason'> {
    const counts = Object.fromEntries(
      Object.entries(COUNT).map(([name, place]) => [name, this.values[place]]),
    ) as Record<CountName, number>;
    const invalidationsByReason = Object.fromEntries(
      REASONS.map((reason, place) => [reason, this.reasons[place]]),
    ) as Record<Reason, number>;
    return { ...counts, invalidationsByReason };
  }
}
