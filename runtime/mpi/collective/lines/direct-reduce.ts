/**
 * Reductions whose ranks read each other's elements from where they lie. They are folded piece by piece, in the order of the ranks, so the
 * bits are those of any other way.
 */
import { bufferOf, byteOffsetOf, lengthOf } from '../../../base/bytes.ts';
import type { Elements } from '../../datatype/data.ts';
import { DirectOperation } from './direct.ts';
import type { Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';
import type { ReductionPlan } from './reduce.ts';

/** Bytes of each rank that are folded at a time: they stay in the second-level cache. */
const FOLD_BYTES = 32 * 1024;

abstract class DirectReduction extends DirectOperation {
  protected readonly plan: ReductionPlan;
  readonly #given: Elements;
  /** Elements of a piece, and where the other ranks' pieces are read to. */
  readonly #piece: number;
  readonly #scratch: Uint8Array;
  readonly #elements: Elements;
  readonly #sources: Elements[] = [];
  readonly #places: number[] = [];

  constructor(
    lines: Lines,
    plan: ReductionPlan,
    places: ConstructorParameters<typeof DirectOperation>[2],
    rounds: number,
    chunks: { readonly most: number; readonly make: () => LineOperation },
  ) {
    super(lines, plan.signature, places, rounds, chunks);
    this.plan = plan;
    const { kernel, given, count } = plan;
    const { kind } = kernel;
    this.#given = kind.view(bufferOf(given), byteOffsetOf(given), count);
    this.#piece = FOLD_BYTES / kind.bytes;
    this.#scratch = lines.memory.scratch(lines.slots.size * FOLD_BYTES);
    this.#elements = kind.view(this.#scratch.buffer, 0, lines.slots.size * this.#piece);
  }

  /** Folds elements [at, at + count) of all ranks to the result's `to`. */
  protected fold(at: number, count: number, to: number): void {
    const { kernel, sources, result } = this.plan;
    if (result === null || sources === 0) return;
    for (let done = 0; done < count; done += this.#piece) {
      const some = Math.min(count - done, this.#piece);
      for (let member = 0; member < sources; member++) this.#fetch(member, at + done, some);
      kernel.fold(result, to + done, this.#sources, this.#places, some);
      kernel.finish(result, to + done, some, sources);
    }
  }

  #fetch(member: number, at: number, count: number): void {
    if (member === this.slots.rank) {
      this.#sources[member] = this.#given;
      this.#places[member] = at;
      return;
    }
    const { bytes } = this.plan.kernel.kind;
    this.copy(member, 0, at * bytes, count * bytes, this.#scratch, member * FOLD_BYTES);
    this.#sources[member] = this.#elements;
    this.#places[member] = member * this.#piece;
  }
}

/** Each rank folds the elements that its result is of. In the last round all have done so. */
export class DirectFold extends DirectReduction {
  constructor(
    lines: Lines,
    plan: ReductionPlan,
    chunks: { readonly most: number; readonly make: () => LineOperation },
  ) {
    super(lines, plan, [placeOf(plan)], 2, chunks);
  }

  protected readAt(round: number): void {
    if (round > 0) return;
    const { only, count } = this.plan;
    this.fold(only?.at ?? 0, only?.count ?? count, 0);
  }
}

/** Where others may still read there can be no result. */
function placeOf({ given, result }: ReductionPlan): Uint8Array | undefined {
  return result !== null && bufferOf(result) === bufferOf(given) ? undefined : given;
}

/** Each rank folds a slice, then all read the slices of the others. */
export class DirectSlices extends DirectReduction {
  readonly #result: Uint8Array;

  constructor(
    lines: Lines,
    plan: ReductionPlan,
    chunks: { readonly most: number; readonly make: () => LineOperation },
  ) {
    const { result } = plan;
    const bytes = lengthOf(result as Uint8Array) * plan.kernel.kind.bytes;
    const taken = new Uint8Array(bufferOf(result), byteOffsetOf(result), bytes);
    super(lines, plan, [plan.given, taken], 3, chunks);
    this.#result = taken;
  }

  #startOf(member: number): number {
    const { count, kernel } = this.plan;
    return kernel.unit * Math.floor((count / kernel.unit) * (member / this.slots.size));
  }

  protected readAt(round: number): void {
    const { slots } = this;
    const start = this.#startOf(slots.rank);
    if (round === 0) this.fold(start, this.#startOf(slots.rank + 1) - start, start);
    else if (round === 1) this.#readSlices();
  }

  #readSlices(): void {
    const { slots, plan } = this;
    const { bytes } = plan.kernel.kind;
    for (let step = 1; step < slots.size; step++) {
      const member = (slots.rank + step) % slots.size;
      const at = this.#startOf(member) * bytes;
      const length = this.#startOf(member + 1) * bytes - at;
      this.copy(member, 1, at, length, this.#result, at);
    }
  }
}
