/** Which ranks can never go on: those that wait for nobody but each other, and for those that have ended. */
import type { Wait } from './waits.ts';

/**
 * The largest set of ranks of which each waits for something that only the others in it, or ranks that have
 * ended, could bring about. Whoever is not told of here may still do anything.
 * @param waits of ranks that sleep
 */
export function closedSet(
  waits: readonly Wait[],
  hasEnded: (rank: number) => boolean,
): Set<number> {
  const stuck = new Set(waits.filter(({ mayGoOn }) => !mayGoOn).map(({ rank }) => rank));
  const isDead = (rank: number) => stuck.has(rank) || hasEnded(rank);
  for (;;) {
    const before = stuck.size;
    for (const { rank, mode, operations } of waits) {
      if (!stuck.has(rank)) continue;
      const lost = operations.map(({ from }) => from.every(isDead));
      const never = mode === 'all' ? lost.some(Boolean) : lost.every(Boolean);
      if (!never) stuck.delete(rank);
    }
    if (stuck.size === before) return stuck;
  }
}

/** Those of the set that a rank's own wait depends on, the rank itself first. */
export function reachedFrom(rank: number, waits: readonly Wait[]): Wait[] {
  const byRank = new Map(waits.map((wait) => [wait.rank, wait]));
  const reached = new Set([rank]);
  for (const one of reached)
    for (const operation of byRank.get(one)?.operations ?? [])
      for (const other of operation.from) if (byRank.has(other)) reached.add(other);
  return [...reached].flatMap((one) => byRank.get(one) ?? []);
}
