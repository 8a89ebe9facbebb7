/** The typed seam of reduce.cc and exact_sum.cc: kernels of reductions, over memory of any kind of view. */
import { type Addon, addon } from './addon.ts';

/** The types of elements, in the order of reduce.h. */
export const ELEMENT_TYPES = [
  'int8',
  'uint8',
  'uint8 clamped',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float32',
  'float64',
  'float16',
  'bfloat16',
] as const;

/** The operations, in the order of reduce.h. */
export const OPERATIONS = [
  'SUM',
  'PROD',
  'MIN',
  'MAX',
  'BAND',
  'BOR',
  'BXOR',
  'LAND',
  'LOR',
  'LXOR',
  'MINLOC',
  'MAXLOC',
] as const;

/** The most sources of one {@link ReduceAddon.fold}. */
export const FOLD_SOURCES = 32;

/** What the calls name by `kernel`. */
export function kernelNumber(type: number, operation: number): number {
  return type * OPERATIONS.length + operation;
}

export interface ReduceAddon extends Addon {
  /**
   * out[i] = a[i] op b[i] of `count` items: elements, of MINLOC and MAXLOC pairs. Offsets are in bytes. `out` may be
   * `a` or `b`.
   */
  combine(
    kernel: number,
    count: number,
    out: ArrayBufferView,
    outOffset: number,
    a: ArrayBufferView,
    aOffset: number,
    b: ArrayBufferView,
    bOffset: number,
  ): number;
  /**
   * out[i] = (source0[i] op source1[i]) op source2[i] …, in one pass over the memory: 2 to {@link FOLD_SOURCES} sources, each a
   * view and an offset in bytes. `out` may be any of the sources.
   */
  fold(
    kernel: number,
    count: number,
    out: ArrayBufferView,
    outOffset: number,
    ...sources: (ArrayBufferView | number)[]
  ): number;
  /** out[i] /= divisor, of floating-point numbers. */
  divide(
    kernel: number,
    count: number,
    out: ArrayBufferView,
    offset: number,
    divisor: number,
  ): number;
  /**
   * The exact sums of what lies in the views, rounded once (exact_sum.cc); offsets are in bytes. `out` may be one of them.
   * @param type a floating-point one
   */
  exactSum(
    type: number,
    count: number,
    out: ArrayBufferView,
    outOffset: number,
    sources: readonly ArrayBufferView[],
    offsets: Float64Array,
  ): number;
  /** Sets of kernels that this processor can run, by the names of their instructions; the widest last. */
  reduceVariants(): string[];
  /** Takes another set than the widest (-1), in tests. */
  reduceVariant(index: number): number;
}

export function reduceAddon(): ReduceAddon {
  return addon() as ReduceAddon;
}
