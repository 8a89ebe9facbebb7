/**
 * What reductions have in common (MPI 4.1, 6.9 to 6.12): their operands, and how the elements of all ranks become one.
 *
 * The result is always that of one order: ((r0 op r1) op r2) …, by ranks, whatever the algorithm, the timing and the
 * transport. So for a given number of ranks it has the same bits on each run, and on all ranks. Algorithms differ in
 * who folds which elements. Only where any order gives the same bits (whole numbers, MIN, MAX) may they take another one.
 */
import { inWords, lengthOf, part } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import type { Elements } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { allgatherNumbers } from './allgather.ts';
import { type Dense, elementsOf, newElements } from './arguments.ts';
import { nodesOf } from './nodes.ts';
import { ExactSum } from './op/exact-sum.ts';
import type { Kernel } from './op/kernel.ts';
import { kindOf } from './op/kinds.ts';
import { combineOrBlame, Op } from './op.ts';
import type { Schedule } from './schedule.ts';
import type { Shape } from './select.ts';
import type { OperationName } from './signature.ts';

/** For which numbers of ranks the result is the same. */
export interface ReduceOptions {
  /**
   * 'any size': of {@link SUM} and {@link AVG} of floating-point numbers the exact sum, rounded once. It has the same bits for any
   * number of ranks, and whichever rank has which element. It costs several times the usual sum.
   */
  reproducible?: 'any size';
}

/** The type, where it is not to be inferred (as NoInfer of TypeScript 5.4). */
export type Exactly<A> = [A][A extends unknown ? 0 : never];

/**
 * What all algorithms of reductions work with: arrays of one kind, and their operation. Whoever adds to it names each field: to spread
 * such objects takes V8 more than a microsecond.
 */
export interface Reduction {
  readonly op: Op<never>;
  readonly kernel: Kernel;
  /** Elements that each rank gives. */
  readonly count: number;
  /** What this rank gives; it may be the result's memory. */
  readonly send: Elements;
  readonly given: Uint8Array;
}

/** @throws MpiError ERR_OP; ERR_ARG where the options are none */
export function kernelOf(
  operation: OperationName,
  op: unknown,
  data: unknown,
  options: ReduceOptions = {},
): Kernel {
  if (!(op instanceof Op))
    throw new MpiError(
      'ERR_OP',
      `${operation}: ${inWords(op)} is no operation: pass one such as SUM, or make one with Op.of or Op.each`,
    );
  if (op.predefined?.operation === -1)
    throw new MpiError('ERR_OP', `${operation}: ${op.name} is for one-sided accumulates alone`);
  const { reproducible } = options;
  const kernel = op.kernel(kindOf(data));
  if (reproducible === undefined) return kernel;
  if (reproducible !== 'any size')
    throw new MpiError(
      'ERR_ARG',
      `${operation}: reproducible is ${inWords(reproducible)}; it may be 'any size'`,
    );
  return ExactSum.instead(kernel);
}

/** @throws MpiError ERR_BUFFER, ERR_OP, ERR_ARG; ERR_COUNT where the elements are no pairs, and the operation is for such */
export function reductionOf(
  operation: OperationName,
  send: Elements,
  op: unknown,
  options?: ReduceOptions,
): Reduction & Dense {
  const { bytes, type, count } = elementsOf(operation, 'what is reduced', send);
  const kernel = kernelOf(operation, op, send, options);
  checkUnit(operation, kernel, count);
  return { op: op as Op<never>, kernel, send, given: bytes, bytes, type, count };
}

/** @throws MpiError ERR_COUNT */
export function checkUnit(operation: OperationName, { unit }: Kernel, count: number): void {
  if (unit === 2 && count % 2 === 1)
    throw new MpiError(
      'ERR_COUNT',
      `${operation}: ${count} elements are no pairs of a value and its index`,
    );
}

/** The array for a result: new memory where none is given. @throws MpiError ERR_BUFFER, ERR_COUNT, ERR_NO_MEM */
export function resultOf<A extends Elements>(
  operation: OperationName,
  receive: A | null | undefined,
  like: A,
  count: number,
): A {
  if (receive === null || receive === undefined) return newElements(operation, like, count);
  const dense = elementsOf(operation, 'the array for the result', receive);
  if (kindOf(receive).name !== kindOf(like).name)
    throw new MpiError(
      'ERR_BUFFER',
      `${operation}: what is reduced is a ${kindOf(like).name}, and the array for the result a ${kindOf(receive).name}: pass arrays of one type`,
    );
  if (dense.count !== count)
    throw new MpiError(
      'ERR_COUNT',
      `${operation}: the result has ${count} elements, and the array for it ${dense.count}`,
    );
  return receive;
}

/** What selection looks at: {@link Shape}, and what the operation allows. */
export interface ReductionShape extends Shape {
  /** Any order of the ranks gives the same bits. */
  readonly exact: boolean;
  /** Long arrays may be combined in parts. */
  readonly divisible: boolean;
  /** Two at a time; else all at once. */
  readonly pairwise: boolean;
}

export function shapeOf({ kernel, given }: Reduction, endpoint: Endpoint): ReductionShape {
  return {
    ranks: endpoint.size,
    nodes: nodesOf(endpoint),
    bytes: lengthOf(given),
    exact: kernel.exact,
    divisible: Number.isFinite(kernel.unit),
    pairwise: !(kernel instanceof ExactSum),
  };
}

/** The elements of a call, by what they are known by at other ranks. */
export function opName({ op, kernel }: Reduction): string {
  return kernel instanceof ExactSum ? `${op.name}, reproducible` : op.name;
}

/** Combines, and keeps the error of a program's function that throws: the others still have to be told. */
export class Combining {
  readonly #op: Op<never>;
  #error: MpiError | null = null;

  constructor({ op }: Reduction) {
    this.#op = op;
  }

  /** Nothing any more, once it has thrown. @returns whether it combined */
  do(combine: () => void): boolean {
    if (this.#error !== null) return false;
    if (this.#op.predefined !== null) {
      combine();
      return true;
    }
    try {
      combineOrBlame(this.#op, combine);
    } catch (error) {
      this.#error = error as MpiError;
    }
    return this.#error === null;
  }

  /** All ranks hear of a program's function that threw at one. @throws MpiError ERR_OP */
  *end(endpoint: Endpoint, tag: number): Schedule<void> {
    if (this.#op.predefined !== null) return;
    const mine = Float64Array.of(this.#error === null ? 0 : 1);
    const failed = yield* allgatherNumbers(endpoint, tag, mine);
    if (this.#error !== null) throw this.#error;
    const peer = failed.indexOf(1);
    if (peer >= 0)
      throw new MpiError('ERR_OP', `${this.#op.name} threw an error at rank ${peer}`, {
        rank: endpoint.engine.rank,
        peer,
      });
  }
}

/** A rank's part of the elements. */
export interface Slice {
  readonly at: number;
  readonly count: number;
}

/** As equal as can be, and pairs stay together. */
export function slicesOf(count: number, unit: number, ranks: number): Slice[] {
  const items = count / unit;
  const start = (rank: number) => unit * Math.floor((items * rank) / ranks);
  return Array.from({ length: ranks }, (_, rank) => ({
    at: start(rank),
    count: start(rank + 1) - start(rank),
  }));
}

/** The bytes of a slice. */
export function sliceOf(bytes: Uint8Array, { at, count }: Slice, width: number): Uint8Array {
  return part(bytes, at * width, (at + count) * width);
}

/** Memory up to so long is kept from one call for the next. */
export const SCRATCH_BYTES_KEPT = 256 * 1024;

let kept: ArrayBuffer | null = null;

/** Memory for elements of others, of no certain contents; to be given back to {@link keepScratch} once nobody uses it. */
export function borrowScratch(
  kernel: Kernel,
  count: number,
): { array: Elements; bytes: Uint8Array } {
  const { kind } = kernel;
  const length = count * kind.bytes;
  if (kept === null || kept.byteLength < length) return scratchOf(kernel, count);
  const memory = kept;
  kept = null;
  return { array: kind.view(memory, 0, count), bytes: new Uint8Array(memory, 0, length) };
}

/** A program's own function may have kept what it was given: that memory is not used again. */
export function keepScratch({ op }: Reduction, { buffer }: Uint8Array): void {
  if (op.predefined === null || buffer.byteLength > SCRATCH_BYTES_KEPT) return;
  if (kept === null || kept.byteLength < buffer.byteLength) kept = buffer as ArrayBuffer;
}

/** New memory for elements, and its bytes. */
export function scratchOf({ kind }: Kernel, count: number): { array: Elements; bytes: Uint8Array } {
  const array = kind.make(count);
  return { array, bytes: new Uint8Array(array.buffer, array.byteOffset, count * kind.bytes) };
}
