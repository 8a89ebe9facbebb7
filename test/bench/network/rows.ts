/** What bench:network says: medians, ratios within rounds, and what is asked of them. */
import { median, type Spread, spread } from '../p2p/spread.ts';
import type { Operation } from './contenders.ts';

export interface Taken {
  round: number;
  place: string;
  link: string;
  operation: Operation;
  who: string;
  bytes: number;
  ns: number;
}

/** At most so many times the time of another. */
interface Target {
  operation: Operation;
  of: string;
  most: number;
  fits(bytes: number): boolean;
}

const MIB = 1 << 20;
const small = (bytes: number) => bytes <= 8;
const OMPI = 'Open MPI tcp';

export const TARGETS: readonly Target[] = [
  { operation: 'pingpong', of: 'fi_pingpong net', most: 1.15, fits: small },
  { operation: 'pingpong', of: OMPI, most: 0.65, fits: small },
  { operation: 'pingpong', of: OMPI, most: 0.5, fits: (bytes) => bytes === 65536 },
  { operation: 'pingpong', of: OMPI, most: 0.9, fits: (bytes) => bytes >= MIB },
  { operation: 'allreduce', of: OMPI, most: 0.8, fits: () => true },
];

export interface Row {
  place: string;
  link: string;
  operation: Operation;
  bytes: number;
  who: string;
  us: Spread;
  /** Ours divided by this one, within each round; null for ours, and where ours is not there. */
  ours: Spread | null;
  targets: { of: string; most: number; value: number; met: boolean }[];
}

const MICRO = 1000;

export function rowsOf(taken: readonly Taken[]): Row[] {
  const groups = new Map<string, Taken[]>();
  for (const one of taken) {
    const key = JSON.stringify([one.place, one.operation, one.bytes, one.who]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const rows = [...groups.values()].map((group): Row => {
    const [{ place, link, operation, bytes, who }] = group;
    const ratios = who === 'ours' ? [] : ratiosOf(taken, group);
    const us = spread(group.map(({ ns }) => ns / MICRO));
    const targets = TARGETS.filter(
      (one) => one.operation === operation && one.of === who && one.fits(bytes),
    );
    const judged = ratios.length === 0 ? [] : targets;
    return {
      ...{ place, link, operation, bytes, who, us },
      ours: ratios.length === 0 ? null : spread(ratios),
      targets: judged.map(({ of, most }) => {
        const value = median(ratios);
        return { of, most, value, met: value <= most };
      }),
    };
  });
  return rows.sort(
    (a, b) =>
      a.place.localeCompare(b.place) ||
      b.operation.localeCompare(a.operation) ||
      a.bytes - b.bytes ||
      a.us.median - b.us.median,
  );
}

/** In each round in which both are there. */
function ratiosOf(taken: readonly Taken[], group: readonly Taken[]): number[] {
  return group.flatMap(({ round, place, operation, bytes, ns }) =>
    taken
      .filter((one) => one.who === 'ours' && one.round === round && one.place === place)
      .filter((one) => one.operation === operation && one.bytes === bytes)
      .map((one) => one.ns / ns),
  );
}
