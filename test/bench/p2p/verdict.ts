/** What the rounds say, and the targets that they are held against. */
import type { Comparison, Measure } from './rounds.ts';
import { type Spread, spread } from './spread.ts';

/** Ours over the best peer's. */
const PEER_MOST = 1;
/** The same with memory from MPI.allocate, from SHARED_MIN bytes on. */
const PEER_MOST_ALLOCATED = 0.8;
const SHARED_MIN = 65536;
/** Ours over the floor, at 8 bytes. */
const FLOOR_MOST = 1.6;
/** Nanoseconds of the awaited half round trip, at 8 bytes. */
const AWAIT_MOST = 500;

export interface Verdict {
  measure: Measure;
  bytes: number;
  /** Rounds that count. */
  rounds: number;
  ns: Spread;
  /** Ours over the best peer, ours over the floor: each within its round. */
  perPeer: Spread | undefined;
  perFloor: Spread;
  /** What the medians were held against; empty: no target. */
  targets: { what: string; most: number; value: number; met: boolean }[];
}

/** Puts the rounds' figures of each measure and size together, in the order in which they came. */
export function verdicts(comparisons: readonly Comparison[]): Verdict[] {
  const groups = new Map<string, Comparison[]>();
  for (const comparison of comparisons) {
    const key = `${comparison.measure} ${comparison.bytes}`;
    groups.set(key, [...(groups.get(key) ?? []), comparison]);
  }
  return [...groups.values()].map(verdictOf);
}

function verdictOf(group: readonly Comparison[]): Verdict {
  const { measure, bytes } = group[0];
  const ratios = group.flatMap(({ ns, peer }) => (peer === undefined ? [] : [ns / peer]));
  const verdict: Verdict = {
    measure,
    bytes,
    rounds: group.length,
    ns: spread(group.map(({ ns }) => ns)),
    perPeer: ratios.length === 0 ? undefined : spread(ratios),
    perFloor: spread(group.map(({ ns, floor }) => ns / floor)),
    targets: [],
  };
  const hold = (what: string, most: number, value: number | undefined) => {
    if (value !== undefined) verdict.targets.push({ what, most, value, met: value <= most });
  };
  const allocated = measure === 'allocated';
  if (measure === 'await') hold('ns', AWAIT_MOST, verdict.ns.median);
  else if (!allocated) hold('ours/best peer', PEER_MOST, verdict.perPeer?.median);
  else if (bytes >= SHARED_MIN)
    hold('ours/best peer', PEER_MOST_ALLOCATED, verdict.perPeer?.median);
  if (measure === 'sync' && bytes === 8) hold('ours/floor', FLOOR_MOST, verdict.perFloor.median);
  return verdict;
}
