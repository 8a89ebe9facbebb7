/**
 * Reductions on control lines. A result is always ((r0 op r1) op r2) … by ranks, whoever folds which elements.
 *
 * Every rank lays down what it has, and folds what it needs. Long ones go in chunks, of which each rank folds a slice and lays it
 * down for the others.
 */
import { MpiError } from '../../../base/error.ts';
import type { Elements } from '../../datatype/data.ts';
import type { Kernel } from '../op/kernel.ts';
import type { Signature } from '../signature.ts';
import { pack, unpack } from './copies.ts';
import { INLINE_BYTES, SLOT_BYTES } from './layout.ts';
import type { Lines } from './lines.ts';
import { LineOperation } from './operation.ts';
import { ALL, NONE } from './slots.ts';

export interface ReductionPlan {
  readonly signature: Signature;
  readonly kernel: Kernel;
  /** Elements. */
  readonly count: number;
  /** What this rank gives, and its bytes. */
  readonly given: Uint8Array;
  /** The ranks whose elements this rank's result is folded of: those before this one; none where it has no result. */
  readonly sources: number;
  readonly result: Elements | null;
  /** The elements that the result is of; all of them where this is undefined. */
  readonly only: { readonly at: number; readonly count: number } | undefined;
  /** All ranks have the same result: a long one is folded in slices. */
  readonly shared: boolean;
  /** Calls the program's function, and throws ERR_OP where that throws; null: the library's own operation. */
  readonly guard: ((fold: () => void) => void) | null;
}

abstract class LineReduction extends LineOperation {
  protected readonly plan: ReductionPlan;
  protected readonly parent: Lines;
  /** Elements of a chunk. */
  protected readonly chunk: number;
  protected readonly chunks: number;
  #failure: MpiError | null = null;
  /** Where the elements lie that are folded: in the block, for each rank, and where in it. */
  #blocks: Elements[] = [];
  readonly #places: number[] = [];

  constructor(lines: Lines, plan: ReductionPlan) {
    super(lines, plan.signature);
    this.parent = lines;
    this.plan = plan;
    const { kernel, count } = plan;
    const { unit, kind } = kernel;
    const most = Math.floor(SLOT_BYTES / kind.bytes);
    this.chunk = Number.isFinite(unit) ? most - (most % unit) : most;
    this.chunks = Math.max(1, Math.ceil(count / this.chunk));
    this.needsAreas = this.bytes > INLINE_BYTES;
  }

  protected get bytes(): number {
    return this.plan.count * this.plan.kernel.kind.bytes;
  }

  /** Elements of a chunk. */
  protected countOf(chunk: number): number {
    return Math.min(this.plan.count - chunk * this.chunk, this.chunk);
  }

  /** Where in the block a rank's payload of a round lies. */
  protected placeOf(round: number, member: number): number {
    const number = (this.first + round) | 0;
    return this.bytes <= INLINE_BYTES
      ? this.slots.inlineAt(number, member)
      : this.slots.dataAt(number, member);
  }

  protected writeInput(round: number, chunk: number): void {
    const { kernel, given } = this.plan;
    const { bytes } = kernel.kind;
    const start = chunk * this.chunk * bytes;
    const place = this.placeOf(round, this.slots.rank);
    pack(given, start, this.countOf(chunk) * bytes, this.slots.bytes, place);
  }

  /** Folds elements [at, at + count) of a chunk, as far as this rank's result needs them. */
  protected foldInput(round: number, chunk: number, at: number, count: number): void {
    const { kernel, sources, result, guard } = this.plan;
    if (result === null || sources === 0 || count === 0) return;
    const places = this.#places;
    for (let member = 0; member < sources; member++)
      places[member] = this.placeOf(round, member) / kernel.kind.bytes + at;
    const to = chunk * this.chunk + at - (this.plan.only?.at ?? 0);
    if (guard === null) this.#fold(result, to, count);
    else this.#guarded(guard, () => this.#fold(result, to, count));
  }

  #fold(result: Elements, to: number, count: number): void {
    const { kernel, sources } = this.plan;
    const block = this.parent.elementsOf(kernel.kind);
    if (this.#blocks[0] !== block) this.#blocks = new Array(sources).fill(block);
    kernel.fold(result, to, this.#blocks, this.#places, count);
    kernel.finish(result, to, count, sources);
  }

  /** What a program's function throws is told in the last round. */
  #guarded(guard: (fold: () => void) => void, fold: () => void): void {
    if (this.#failure !== null) return;
    try {
      guard(fold);
    } catch (error) {
      this.#failure = error as MpiError;
    }
  }

  protected writeOutcome(round: number): void {
    const place = this.slots.inlineAt((this.first + round) | 0, this.slots.rank);
    this.slots.bytes[place] = this.#failure === null ? 0 : 1;
  }

  protected readOutcome(round: number): void {
    const { slots } = this;
    if (this.#failure !== null) this.outcome = this.#failure;
    for (let member = 0; member < slots.size && this.outcome === null; member++)
      if (slots.bytes[slots.inlineAt((this.first + round) | 0, member)] === 1)
        this.outcome = this.#failedAt(member);
  }

  #failedAt(member: number): MpiError {
    const { rank } = this.parent.endpoint.engine;
    return new MpiError('ERR_OP', `${this.plan.signature.op} threw an error at rank ${member}`, {
      rank,
      peer: member,
    });
  }
}

/** Every rank lays down what it has, chunk by chunk. */
export class FoldAll extends LineReduction {
  /** Whose lines are read before the last round. */
  readonly #from: number;

  constructor(lines: Lines, plan: ReductionPlan) {
    super(lines, plan);
    this.#from = plan.sources > 0 ? ALL : NONE;
    this.from = this.#from;
    this.rounds = this.chunks + (plan.guard === null ? 0 : 1);
    // Whether the program's function threw is laid down when all is folded.
    this.ahead = plan.guard === null ? Math.min(this.chunks, 4) : 1;
  }

  write(round: number): void {
    if (round < this.chunks) this.writeInput(round, round);
    else {
      this.from = ALL;
      this.writeOutcome(round);
    }
  }

  take(round: number): void {
    if (round >= this.chunks) {
      this.readOutcome(round);
      return;
    }
    const { only } = this.plan;
    const start = round * this.chunk;
    const end = start + this.countOf(round);
    const first = Math.max(start, only?.at ?? 0);
    const last = only === undefined ? end : Math.min(end, only.at + only.count);
    if (last > first || only === undefined)
      this.foldInput(round, round, first - start, last - first);
  }
}

/**
 * Every rank folds a slice of each chunk. While the slices of one chunk travel, the next chunk is laid down: the rounds are
 * input 0, input 1, slices 0, input 2, slices 1, …
 */
export class FoldSlices extends LineReduction {
  constructor(lines: Lines, plan: ReductionPlan) {
    super(lines, plan);
    this.rounds = 2 * this.chunks + (plan.guard === null ? 0 : 1);
    // A slice is folded before it is laid down.
    this.ahead = this.chunks === 1 ? 1 : 2;
  }

  /** The chunk whose input a round is; -1: it is of slices. */
  #inputOf(round: number): number {
    if (round === 0) return 0;
    return round % 2 === 1 && round < 2 * this.chunks - 1 ? (round + 1) / 2 : -1;
  }

  #slicesOf(round: number): number {
    return round === 2 * this.chunks - 1 ? this.chunks - 1 : (round - 2) / 2;
  }

  /** The elements of a chunk that a rank folds. */
  #slice(chunk: number, member: number): { at: number; count: number } {
    const { unit } = this.plan.kernel;
    const items = this.countOf(chunk) / unit;
    const start = (rank: number) => unit * Math.floor((items * rank) / this.slots.size);
    return { at: start(member), count: start(member + 1) - start(member) };
  }

  write(round: number): void {
    const input = this.#inputOf(round);
    if (round >= 2 * this.chunks) this.writeOutcome(round);
    else if (input >= 0) this.writeInput(round, input);
    else this.#writeSlice(round, this.#slicesOf(round));
  }

  #writeSlice(round: number, chunk: number): void {
    const { slots, plan } = this;
    const { bytes } = plan.kernel.kind;
    const { at, count } = this.#slice(chunk, slots.rank);
    const place = this.placeOf(round, slots.rank) + at * bytes;
    const start = (chunk * this.chunk + at) * bytes;
    pack(this.resultBytes, start, count * bytes, slots.bytes, place);
  }

  take(round: number): void {
    const input = this.#inputOf(round);
    if (round >= 2 * this.chunks) this.readOutcome(round);
    else if (input >= 0) {
      const { at, count } = this.#slice(input, this.slots.rank);
      this.foldInput(round, input, at, count);
    } else this.#readSlices(round, this.#slicesOf(round));
  }

  #readSlices(round: number, chunk: number): void {
    const { slots, plan } = this;
    const { bytes } = plan.kernel.kind;
    for (let step = 1; step < slots.size; step++) {
      const member = (slots.rank + step) % slots.size;
      const { at, count } = this.#slice(chunk, member);
      const place = this.placeOf(round, member) + at * bytes;
      unpack(
        this.resultBytes,
        (chunk * this.chunk + at) * bytes,
        count * bytes,
        slots.bytes,
        place,
      );
    }
  }

  get resultBytes(): Uint8Array {
    const { buffer, byteOffset } = this.plan.result as Uint8Array;
    this.#result ??= new Uint8Array(buffer, byteOffset, this.bytes);
    return this.#result;
  }

  #result: Uint8Array | null = null;
}
