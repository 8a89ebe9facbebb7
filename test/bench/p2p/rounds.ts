/**
 * Rounds: everything once, ours and the peers in turn, the floor before and after each program. What
 * is compared was measured within one round, and a round's part in whose course the floor moved is
 * dropped.
 */
import { type Figure, type MEASURES, runOurs, runPeers } from './programs.ts';
import { floorHeld, median } from './spread.ts';

export type Measure = keyof typeof MEASURES;

/** Ours beside the others in one round. */
export interface Comparison {
  measure: Measure;
  bytes: number;
  ns: number;
  floor: number;
  /** The fastest peer's time; undefined without peers. */
  peer: number | undefined;
}

/** Things measured close together, so that the floor has little time to move. */
interface Part {
  sizes: readonly number[];
  /** What the peers are asked for; null: no peer does that. */
  peers: 'latency' | 'rate' | null;
  ours: Measure[];
}

export interface Plan {
  sizes: readonly number[];
  peers: string | undefined;
  tolerance: number;
  measureFloor: () => Promise<number>;
  /** Asked between programs: true where the figures so far must do. */
  isOver: () => boolean;
}

/** Sizes are divided here: a part should be short. */
const SMALL_MAX = 16384;
/** The size of the message rate and of the awaited ping-pong. */
export const RATE_BYTES = 8;

function partsOf(sizes: readonly number[]): Part[] {
  const parts: Part[] = [];
  for (const group of [
    sizes.filter((bytes) => bytes <= SMALL_MAX),
    sizes.filter((bytes) => bytes > SMALL_MAX),
  ])
    if (group.length > 0)
      parts.push({ sizes: group, peers: 'latency', ours: ['sync', 'allocated'] });
  parts.push({ sizes: [RATE_BYTES], peers: 'rate', ours: ['rate-sync', 'rate-nonblocking'] });
  parts.push({ sizes: [RATE_BYTES], peers: null, ours: ['await'] });
  return parts;
}

/** null: it does not count. */
async function runPart(part: Part, plan: Plan): Promise<Comparison[] | null> {
  const floors = [await plan.measureFloor()];
  const steps: (() => Promise<Figure[]>)[] = part.ours.map(
    (measure) => () => runOurs(measure, part.sizes),
  );
  const { peers: mode } = part;
  const { peers: file } = plan;
  if (mode !== null && file !== undefined)
    steps.splice(1, 0, () => runPeers(file, mode, part.sizes));
  const figures: Figure[] = [];
  for (const step of steps) {
    if (plan.isOver()) return null;
    figures.push(...(await step()));
    floors.push(await plan.measureFloor());
  }
  return floorHeld(floors, plan.tolerance) ? compare(figures, median(floors)) : null;
}

export function compare(figures: readonly Figure[], floor: number): Comparison[] {
  const peers = figures.filter(({ who }) => who !== 'ours');
  return figures
    .filter(({ who }) => who === 'ours')
    .map(({ measure, bytes, ns }) => {
      const times = peers.filter((peer) => peer.bytes === bytes).map((peer) => peer.ns);
      const peer = times.length === 0 ? undefined : Math.min(...times);
      return { measure: measure as Measure, bytes, ns, floor, peer };
    });
}

/** One round; `dropped` says how many of its parts do not count. */
export async function runRound(plan: Plan): Promise<{ kept: Comparison[]; dropped: number }> {
  const kept: Comparison[] = [];
  let dropped = 0;
  for (const part of partsOf(plan.sizes)) {
    if (plan.isOver()) break;
    const comparisons = await runPart(part, plan).catch((error) => {
      // The signal that ends the rounds may have reached the programs as well.
      if (plan.isOver()) return null;
      throw error;
    });
    if (comparisons !== null) kept.push(...comparisons);
    else if (!plan.isOver()) dropped++;
  }
  return { kept, dropped };
}
