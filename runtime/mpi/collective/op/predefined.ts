/** The library's own operations (MPI 4.1, 6.9.2 to 6.9.4). */
import { OPERATIONS } from '../../../../native/reduce.ts';
import { inWords } from '../../../base/bytes.ts';
import { MpiError } from '../../../base/error.ts';
import type { Bigs, Elements, Floats, Integers } from '../../datatype/data.ts';
import { Op } from '../op.ts';
import { NativeKernel } from './kernel.ts';
import { BFLOAT16, FLOAT16_BITS, type Kind } from './kinds.ts';
import { TakeKernel } from './take-kernel.ts';

type Operation = (typeof OPERATIONS)[number];

function make<A extends Elements>(
  name: Operation | 'AVG',
  takes: (kind: Kind) => boolean = () => true,
): Op<A> {
  const average = name === 'AVG';
  const operation = OPERATIONS.indexOf(average ? 'SUM' : (name as Operation));
  const kernel = (kind: Kind) =>
    takes(kind) ? new NativeKernel(operation, kind, average) : undefined;
  return new Op<A>(name, true, kernel, { operation, average });
}

const isWhole = ({ float }: Kind) => !float;
const hasPairs = ({ name }: Kind) => name === 'Float64Array' || name === 'Int32Array';

/** The sum (MPI_SUM; MPI 4.1, 6.9.2). */
export const SUM: Op = make('SUM');
/** The product (MPI_PROD; MPI 4.1, 6.9.2). */
export const PROD: Op = make('PROD');
/** The least, as `Math.min` (MPI_MIN; MPI 4.1, 6.9.2): NaN where one is NaN, and -0 is less than 0. */
export const MIN: Op = make('MIN');
/** The greatest, as `Math.max` (MPI_MAX; MPI 4.1, 6.9.2): NaN where one is NaN, and 0 is greater than -0. */
export const MAX: Op = make('MAX');
/** The sum, divided by the number of ranks that it is of; for floating-point numbers (MPI 4.1, 6.9.2 has none). */
export const AVG: Op<Floats> = make('AVG', ({ float }) => float);
/** Bits that all have (MPI_BAND; MPI 4.1, 6.9.2). */
export const BAND: Op<Integers | Bigs> = make('BAND', isWhole);
/** Bits that some have (MPI_BOR; MPI 4.1, 6.9.2). */
export const BOR: Op<Integers | Bigs> = make('BOR', isWhole);
/** Bits that an odd number of ranks has (MPI_BXOR; MPI 4.1, 6.9.2). */
export const BXOR: Op<Integers | Bigs> = make('BXOR', isWhole);
/** 1 where all are true as JavaScript has it, else 0 (MPI_LAND; MPI 4.1, 6.9.2): 0, -0 and NaN are false. */
export const LAND: Op = make('LAND');
/** 1 where some are true, else 0 (MPI_LOR; MPI 4.1, 6.9.2). */
export const LOR: Op = make('LOR');
/** 1 where an odd number is true, else 0 (MPI_LXOR; MPI 4.1, 6.9.2). */
export const LXOR: Op = make('LXOR');
/**
 * The least value and where it is (MPI_MINLOC; MPI 4.1, 6.9.4): elements are pairs, a value and its index. Of equal values the
 * lowest index counts. Values are compared as by {@link MIN}.
 */
export const MINLOC: Op<Float64Array | Int32Array> = make('MINLOC', hasPairs);
/** The greatest value and where it is (MPI_MAXLOC; MPI 4.1, 6.9.4), as {@link MINLOC}. */
export const MAXLOC: Op<Float64Array | Int32Array> = make('MAXLOC', hasPairs);

function take(name: string, first: boolean): Op {
  const kernel = (kind: Kind) => new TakeKernel(kind, first);
  return new Op(name, false, kernel, { operation: -1, average: false });
}

/** What comes in takes the place of what is there (MPI_REPLACE; MPI 4.1, 12.3.4); not for reductions over ranks. */
export const REPLACE: Op = take('REPLACE', true);
/** What is there stays (MPI_NO_OP; MPI 4.1, 12.3.4); not for reductions over ranks. */
export const NO_OP: Op = take('NO_OP', false);

const HALVES = {
  bf16: { kind: BFLOAT16, made: new Map<Op<never>, Op<Uint16Array>>() },
  f16: { kind: FLOAT16_BITS, made: new Map<Op<never>, Op<Uint16Array>>() },
};

function ofHalves(format: keyof typeof HALVES, op: Op<never>): Op<Uint16Array> {
  const { kind: halves, made } = HALVES[format];
  const known = made.get(op);
  if (known !== undefined) return known;
  if (!(op instanceof Op) || op.predefined === null || !isArithmetic(op.predefined.operation))
    throw new MpiError(
      'ERR_OP',
      `${format} is for SUM, PROD, MIN, MAX, AVG, LAND, LOR and LXOR, not for ${op instanceof Op ? op.name : inWords(op)}`,
    );
  const { operation, average } = op.predefined;
  const kernel = (kind: Kind) =>
    kind.name === 'Uint16Array' ? new NativeKernel(operation, halves, average) : undefined;
  const of = new Op<Uint16Array>(`${format}(${op.name})`, true, kernel);
  made.set(op, of);
  return of;
}

function isArithmetic(operation: number): boolean {
  const name = OPERATIONS[operation] as string | undefined;
  return name !== undefined && !name.startsWith('B') && !name.endsWith('LOC');
}

/**
 * The operation on bfloat16 (the upper half of a float), whose bits are the elements of a Uint16Array (MPI 4.1, 6.9.2
 * has none). Each step is computed as floats, and rounded to nearest, ties to even.
 * @throws MpiError ERR_OP where it is none of SUM, PROD, MIN, MAX, AVG, LAND, LOR, LXOR
 */
export function bf16<A extends Elements>(op: Op<A>): Op<Uint16Array> {
  return ofHalves('bf16', op);
}

/**
 * {@link bf16} for IEEE 754's binary16: what a Float16Array holds, where Node has none.
 * @throws MpiError as {@link bf16}
 */
export function f16<A extends Elements>(op: Op<A>): Op<Uint16Array> {
  return ofHalves('f16', op);
}
