/** How an operation combines arrays of one kind of elements. */
import {
  FOLD_SOURCES,
  kernelNumber,
  OPERATIONS,
  type ReduceAddon,
  reduceAddon,
} from '../../../../native/reduce.ts';
import { bufferOf, byteOffsetOf, lengthOf } from '../../../base/bytes.ts';
import { MpiError } from '../../../base/error.ts';
import type { Elements } from '../../datatype/data.ts';
import type { Kind } from './kinds.ts';
import { type Loop, makeLoop } from './loops.ts';

/** Places and counts are in elements; they lie inside their arrays, which are of the kernel's kind. */
export interface Kernel {
  readonly kind: Kind;
  /** Elements that belong together: a long array is combined in parts of so many. Infinity: whole arrays alone. */
  readonly unit: number;
  /** Whether any order of combining gives the same bits. */
  readonly exact: boolean;
  /** out[i] = a[i] op b[i]. `out` may be `a` or `b`. */
  combine(
    out: Elements,
    outAt: number,
    a: Elements,
    aAt: number,
    b: Elements,
    bAt: number,
    count: number,
  ): void;
  /** out[i] = ((s0[i] op s1[i]) op s2[i]) …, in one pass. `out` may be any of the sources, at the same place. */
  fold(
    out: Elements,
    outAt: number,
    sources: readonly Elements[],
    at: readonly number[],
    count: number,
  ): void;
  /** What is left to do when the elements of so many ranks are combined (AVG). */
  finish(out: Elements, at: number, count: number, ranks: number): void;
}

/** From so many elements on a kernel of the addon is faster than a loop in JavaScript, whatever their type. */
export const KERNEL_ELEMENTS = 48;

/** Copies elements of one kind. */
export function copyElements(
  to: Elements,
  toAt: number,
  from: Elements,
  fromAt: number,
  count: number,
  { kind }: Kernel,
): void {
  if (count === 0 || (to === from && toAt === fromAt)) return;
  const source = kind.view(
    bufferOf(from),
    byteOffsetOf(from) + fromAt * kind.bytes,
    count,
  ) as Uint8Array;
  kind
    .view(bufferOf(to), byteOffsetOf(to) + toAt * kind.bytes, count)
    .set(source as Uint8Array & BigInt64Array);
}

/** Of an operation that the addon has. */
export class NativeKernel implements Kernel {
  readonly kind: Kind;
  readonly unit: number;
  readonly exact: boolean;
  /** What the addon computes. */
  readonly operation: number;
  readonly #average: boolean;
  readonly #number: number;
  readonly #addon: ReduceAddon;
  readonly #loop: Loop | null;
  /** What a fold of short arrays has so far. */
  readonly #between: Elements;

  constructor(operation: number, kind: Kind, average: boolean) {
    const name = OPERATIONS[operation];
    this.kind = kind;
    this.operation = operation;
    this.unit = name.endsWith('LOC') ? 2 : 1;
    this.exact = !kind.float || (name !== 'SUM' && name !== 'PROD');
    this.#average = average;
    this.#number = kernelNumber(kind.type, operation);
    this.#addon = reduceAddon();
    this.#loop = makeLoop(operation, kind);
    this.#between = kind.make(KERNEL_ELEMENTS);
  }

  combine(
    out: Elements,
    outAt: number,
    a: Elements,
    aAt: number,
    b: Elements,
    bAt: number,
    count: number,
  ): void {
    const { bytes } = this.kind;
    if (this.#loop !== null && count < KERNEL_ELEMENTS) {
      this.#loop(out, outAt, a, aAt, b, bAt, count);
      return;
    }
    if (count === 0) return;
    check(
      this.#addon.combine(
        this.#number,
        count / this.unit,
        spanOf(out, this.kind),
        outAt * bytes,
        spanOf(a, this.kind),
        aAt * bytes,
        spanOf(b, this.kind),
        bAt * bytes,
      ),
    );
  }

  fold(
    out: Elements,
    outAt: number,
    sources: readonly Elements[],
    at: readonly number[],
    count: number,
  ): void {
    const { kind } = this;
    if (count === 0) return;
    if (sources.length === 1) copyElements(out, outAt, sources[0], at[0], count, this);
    else if (this.#loop !== null && count < KERNEL_ELEMENTS)
      this.#foldShort(this.#loop, out, outAt, sources, at, count);
    else if (sources.length <= FOLD_SOURCES)
      this.foldSpans(out, outAt * kind.bytes, sources, at, kind.bytes, count);
    else this.#foldMany(out, outAt, sources, at, count);
  }

  #foldShort(
    loop: Loop,
    out: Elements,
    outAt: number,
    sources: readonly Elements[],
    at: readonly number[],
    count: number,
  ): void {
    const last = sources.length - 1;
    let left = sources[0];
    let leftAt = at[0];
    for (let k = 1; k < last; k++) {
      loop(this.#between, 0, left, leftAt, sources[k], at[k], count);
      left = this.#between;
      leftAt = 0;
    }
    loop(out, outAt, left, leftAt, sources[last], at[last], count);
  }

  /** More than one call takes. */
  #foldMany(
    out: Elements,
    outAt: number,
    sources: readonly Elements[],
    at: readonly number[],
    count: number,
  ): void {
    const { kind } = this;
    // `out` may be a source that is still to come.
    const so_far = kind.make(count);
    const first = FOLD_SOURCES - 1;
    this.foldSpans(so_far, 0, sources.slice(0, first), at, kind.bytes, count);
    this.fold(out, outAt, [so_far, ...sources.slice(first)], [0, ...at.slice(first)], count);
  }

  /**
   * {@link fold} by the addon, of memory in views of any type. `at` counts in units of `scale` bytes.
   * @param outAt in bytes
   * @param count elements
   */
  foldSpans(
    out: ArrayBufferView,
    outAt: number,
    sources: readonly ArrayBufferView[],
    at: readonly number[],
    scale: number,
    count: number,
  ): void {
    const { kind } = this;
    const spans: (ArrayBufferView | number)[] = [];
    for (let k = 0; k < sources.length; k++) spans.push(spanOf(sources[k], kind), at[k] * scale);
    check(this.#addon.fold(this.#number, count / this.unit, spanOf(out, kind), outAt, ...spans));
  }

  finish(out: Elements, at: number, count: number, ranks: number): void {
    if (!this.#average || count === 0) return;
    const { kind } = this;
    check(this.#addon.divide(this.#number, count, spanOf(out, kind), at * kind.bytes, ranks));
  }
}

/** What the addon takes: Node-API does not know a Float16Array. */
export function spanOf(view: ArrayBufferView, { name }: Kind): ArrayBufferView {
  if (name !== 'Float16Array') return view;
  return new Uint16Array(bufferOf(view), byteOffsetOf(view), lengthOf(view as Uint16Array));
}

export function check(answer: number): void {
  if (answer === 0) return;
  throw new MpiError('ERR_BUFFER', 'an array of a reduction was detached or shrunk meanwhile');
}
