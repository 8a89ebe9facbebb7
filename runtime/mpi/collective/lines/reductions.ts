/** Whose elements each rank's result is folded of, in each reduction. */
import type { Elements } from '../../datatype/data.ts';
import type { Kernel } from '../op/kernel.ts';
import { combineOrBlame, type Op } from '../op.ts';
import type { Signature } from '../signature.ts';
import { DirectFold, DirectSlices } from './direct-reduce.ts';
import { SLOT_BYTES } from './layout.ts';
import type { Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';
import { FoldAll, FoldSlices, type ReductionPlan } from './reduce.ts';

interface Call {
  readonly op: Op<never>;
  readonly kernel: Kernel;
  readonly count: number;
  readonly given: Uint8Array;
  readonly result: Elements | null;
}

/** What is not to be divided has to lie in one slot. */
export function fitsLines(shape: { readonly divisible: boolean; readonly bytes: number }): boolean {
  return shape.divisible || shape.bytes <= SLOT_BYTES;
}

/** With more ranks, or so many bytes, a rank had better fold a slice than all. */
const SLICE_BYTES = 2048;
const ALL_FOLD_BYTES = 512;

/** From so many bytes on ranks fold from where the elements lie, if they can read them there. */
export const DIRECT_FOLD_MIN = 64 * 1024;
/** Beyond so many bytes whoever folds all of them had better have the others lay them down meanwhile. */
export const DIRECT_FOLD_MAX = 512 * 1024;

function lineReduction(lines: Lines, plan: ReductionPlan, mayBeDirect = true): LineOperation {
  const { size } = lines.slots;
  const bytes = plan.count * plan.kernel.kind.bytes;
  const divisible = Number.isFinite(plan.kernel.unit);
  const sliced = plan.shared && divisible && bytes > (size > 4 ? ALL_FOLD_BYTES : SLICE_BYTES);
  const make = () => (sliced ? new FoldSlices(lines, plan) : new FoldAll(lines, plan));
  if (!mayBeDirect || bytes < DIRECT_FOLD_MIN || plan.guard !== null || !divisible) return make();
  // The same at all ranks: of the operations that are not sliced all have blocks, or none has.
  if (!sliced && plan.only === undefined && bytes > DIRECT_FOLD_MAX) return make();
  const most = 2 * Math.ceil(bytes / (SLOT_BYTES - 2 * plan.kernel.kind.bytes));
  const chunks = { most, make };
  return sliced ? new DirectSlices(lines, plan, chunks) : new DirectFold(lines, plan, chunks);
}

function planOf(
  { op, kernel, count, given, result }: Call,
  signature: Signature,
  sources: number,
  shared = false,
  only: ReductionPlan['only'] = undefined,
): ReductionPlan {
  const guard = op.predefined === null ? (fold: () => void) => combineOrBlame(op, fold) : null;
  return { signature, kernel, count, given, result, sources, shared, only, guard };
}

export function lineAllreduce(lines: Lines, call: Call, signature: Signature): LineOperation {
  return lineReduction(lines, planOf(call, signature, lines.slots.size, true));
}

export function lineReduce(lines: Lines, call: Call, signature: Signature): LineOperation {
  const sources = call.result === null ? 0 : lines.slots.size;
  return lineReduction(lines, planOf(call, signature, sources));
}

export function lineScan(
  lines: Lines,
  call: Call & { readonly inclusive: boolean },
  signature: Signature,
): LineOperation {
  const { rank } = lines.slots;
  // Each rank folds what all before it have: they lay it down once, while others fold.
  return lineReduction(lines, planOf(call, signature, call.inclusive ? rank + 1 : rank), false);
}

export function lineReduceScatter(
  lines: Lines,
  call: Call & { readonly blocks: readonly { readonly at: number; readonly count: number }[] },
  signature: Signature,
): LineOperation {
  const only = call.blocks[lines.slots.rank];
  return lineReduction(lines, planOf(call, signature, lines.slots.size, false, only));
}
