/**
 * Where the bytes of a layout lie, in the order in which they travel: a run, a loop over something, or a list.
 * What lies side by side is joined when a plan is made, so that few steps are left to copy.
 */

/** Bytes side by side. */
export interface Run {
  readonly kind: 'run';
  readonly size: number;
  /** The first byte that is touched and the one behind the last, from where the plan begins. */
  readonly low: number;
  readonly high: number;
}

/** The same again and again, each time `stride` bytes further. */
export interface Loop {
  readonly kind: 'loop';
  readonly count: number;
  readonly stride: number;
  readonly body: Plan;
  readonly size: number;
  readonly low: number;
  readonly high: number;
}

/** Runs, each at a place of its own. */
export interface Blocks {
  readonly kind: 'blocks';
  readonly at: Float64Array;
  readonly lengths: Float64Array;
  /** How many bytes travel before each block. */
  readonly before: Float64Array;
  readonly size: number;
  readonly low: number;
  readonly high: number;
}

/** Plans, each at a place of its own. */
export interface Parts {
  readonly kind: 'parts';
  readonly at: Float64Array;
  readonly plans: readonly Plan[];
  readonly before: Float64Array;
  readonly size: number;
  readonly low: number;
  readonly high: number;
}

export type Plan = Run | Loop | Blocks | Parts;

/** A plan, and where it begins. */
export interface Placed {
  readonly at: number;
  readonly plan: Plan;
}

export const NOTHING: Placed = { at: 0, plan: run(0) };

export function run(size: number): Run {
  return { kind: 'run', size, low: 0, high: size };
}

/** `count` times the same, `stride` bytes apart. */
export function repeat({ at, plan }: Placed, count: number, stride: number): Placed {
  if (count === 0 || plan.size === 0) return NOTHING;
  if (count === 1) return { at, plan };
  if (plan.kind === 'run' && stride === plan.size) return { at, plan: run(count * stride) };
  if (plan.kind === 'loop' && stride === plan.count * plan.stride)
    return { at, plan: loop(count * plan.count, plan.stride, plan.body) };
  return { at, plan: loop(count, stride, plan) };
}

function loop(count: number, stride: number, body: Plan): Loop {
  const last = (count - 1) * stride;
  return {
    kind: 'loop',
    count,
    stride,
    body,
    size: count * body.size,
    low: Math.min(0, last) + body.low,
    high: Math.max(0, last) + body.high,
  };
}

/** One after the other. */
export function sequence(items: Iterable<Placed>): Placed {
  const at: number[] = [];
  const plans: Plan[] = [];
  for (const item of items) if (item.plan.size > 0) append(at, plans, item);
  if (at.length === 0) return NOTHING;
  if (at.length === 1) return { at: at[0], plan: plans[0] };
  return evenly(at, plans) ?? { at: 0, plan: list(at, plans) };
}

function append(at: number[], plans: Plan[], item: Placed): void {
  const last = at.length - 1;
  const before = plans[last];
  if (before?.kind === 'run' && item.plan.kind === 'run' && at[last] + before.size === item.at)
    plans[last] = run(before.size + item.plan.size);
  else {
    at.push(item.at);
    plans.push(item.plan);
  }
}

/** As a loop, where all are runs of one length and equally far from each other. */
function evenly(at: readonly number[], plans: readonly Plan[]): Placed | null {
  const [first] = plans;
  const stride = at[1] - at[0];
  for (let i = 0; i < at.length; i++) {
    const { kind, size } = plans[i];
    if (kind !== 'run' || size !== first.size || at[i] !== at[0] + i * stride) return null;
  }
  return repeat({ at: at[0], plan: first }, at.length, stride);
}

function list(places: readonly number[], plans: readonly Plan[]): Blocks | Parts {
  const before = new Float64Array(plans.length);
  let size = 0;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const [i, plan] of plans.entries()) {
    before[i] = size;
    size += plan.size;
    low = Math.min(low, places[i] + plan.low);
    high = Math.max(high, places[i] + plan.high);
  }
  const common = { at: Float64Array.from(places), before, size, low, high };
  if (!plans.every(({ kind }) => kind === 'run')) return { kind: 'parts', plans, ...common };
  return { kind: 'blocks', lengths: Float64Array.from(plans, (plan) => plan.size), ...common };
}
