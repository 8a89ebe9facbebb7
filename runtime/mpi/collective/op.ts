/** Operations of reductions (MPI 4.1, 6.9.2 to 6.9.5). */
import {
  bufferOf,
  byteLengthOf,
  byteOffsetOf,
  inWords,
  isAttached,
  lengthOf,
} from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import type { Bigs, Elements, Floats, Integers } from '../datatype/data.ts';
import type { Kernel } from './op/kernel.ts';
import { type Kind, kindOf } from './op/kinds.ts';
import { EachKernel, WholeKernel } from './op/user-kernel.ts';

/** What an array of that kind has for elements. */
export type Element<A> = A extends Bigs ? bigint : number;

declare const accepts: unique symbol;

/** How an operation combines two arrays of one kind; undefined: it is not for that kind. */
type KernelMaker = (kind: Kind) => Kernel | undefined;

/** What an operation of the library's own is. */
export interface Predefined {
  /** The number of what the addon computes; -1: it computes nothing. */
  readonly operation: number;
  /** Divides by the number of ranks in the end. */
  readonly average: boolean;
}

/** What a program may say of an operation of its own. */
export interface OpOptions {
  /** Whether a op b is b op a; false if left out. Ranks are combined in their order either way. */
  commutative?: boolean;
  /** For errors; the function's name if left out. */
  name?: string;
}

/**
 * How elements of several ranks become one (MPI_Op; MPI 4.1, 6.9.2): one of the library's own, such as
 * {@link SUM}, or a function of the program's. The type says for which arrays it is, so that the compiler
 * refuses others: `BAND` of a Float64Array.
 * @typeParam A arrays that it can combine
 */
export class Op<in A extends Elements = Elements> {
  /** For people. */
  readonly name: string;
  /** Whether a op b is b op a. */
  readonly commutative: boolean;
  /** @internal The arrays, for the compiler alone. */
  declare readonly [accepts]?: (elements: A) => void;
  /** @internal The library's own, under the name; null: the program's. */
  readonly predefined: Predefined | null;
  readonly #make: KernelMaker;
  /** By the number of the element type. */
  readonly #kernels: (Kernel | undefined)[] = [];

  /** @internal */
  constructor(
    name: string,
    commutative: boolean,
    make: KernelMaker,
    predefined: Predefined | null = null,
  ) {
    this.name = name;
    this.commutative = commutative;
    this.predefined = predefined;
    this.#make = make;
  }

  /**
   * @internal How it combines arrays of that kind.
   * @throws MpiError ERR_OP where it does not
   */
  kernel(kind: Kind): Kernel {
    const known = this.#kernels[kind.type];
    if (known !== undefined) return known;
    const made = this.#make(kind);
    if (made === undefined)
      throw new MpiError('ERR_OP', `${this.name} cannot combine elements of a ${kind.name}`);
    this.#kernels[kind.type] = made;
    return made;
  }

  /**
   * inout[i] = incoming[i] op inout[i], within this process (MPI_Reduce_local; MPI 4.1, 6.9.7).
   * {@link AVG} adds and does not divide: that is done once, when the elements of all ranks are there.
   * @throws MpiError ERR_BUFFER where one is no typed array, they are of two kinds, or they overlap; ERR_COUNT where the
   *   lengths differ; ERR_OP where the operation is not for such elements, or it threw
   */
  reduceLocal(incoming: A, inout: A): void {
    const kernel = this.kernel(kindOf(inout));
    const count = checkAlike(incoming, inout, kernel);
    combineOrBlame(this, () => kernel.combine(inout, 0, incoming, 0, inout, 0, count));
  }

  /**
   * An operation of the program's own (MPI_Op_create; MPI 4.1, 6.9.5): a function of two whole arrays, as
   * MPI_User_function: it stores incoming[i] op inout[i] in inout[i]. It is called with whole arrays, never with parts, so that elements
   * may belong together.
   * @throws MpiError ERR_OP where it is no function
   */
  static of<A extends Elements>(
    combine: (incoming: A, inout: A) => void,
    options: OpOptions = {},
  ): Op<A> {
    return own(
      combine,
      options,
      (kind) => new WholeKernel(combine as (incoming: Elements, inout: Elements) => void, kind),
    );
  }

  /**
   * An operation of the program's own, element by element: the function gives incoming op inout.
   * @throws MpiError ERR_OP where it is no function
   */
  static each<A extends Elements = Floats | Integers>(
    combine: (incoming: Element<A>, inout: Element<A>) => Element<A>,
    options: OpOptions = {},
  ): Op<A> {
    return own(combine, options, (kind) => new EachKernel(combine, kind));
  }
}

function own<A extends Elements>(
  combine: { readonly name: string },
  { commutative = false, name }: OpOptions,
  make: KernelMaker,
): Op<A> {
  if (typeof combine !== 'function')
    throw new MpiError(
      'ERR_OP',
      `an operation is made from a function of two arguments, not from ${inWords(combine)}`,
    );
  return new Op<A>(`${name ?? (combine.name || 'an operation')}`, commutative === true, make);
}

/** @throws MpiError ERR_OP, which names the operation and has what was thrown as its cause, where it is a program's */
export function combineOrBlame(op: Op<never>, combine: () => void): void {
  try {
    combine();
  } catch (cause) {
    if (op.predefined !== null) throw cause;
    const what = cause instanceof Error ? String(cause.message) : inWords(cause);
    throw new MpiError('ERR_OP', `${op.name} threw an error: ${what}`, { cause });
  }
}

/** @returns the elements of each. @throws MpiError unless the arrays are of one kind and length, and apart or the same */
function checkAlike(incoming: Elements, inout: Elements, { unit }: Kernel): number {
  if (kindOf(incoming).name !== kindOf(inout).name)
    throw new MpiError(
      'ERR_BUFFER',
      `a ${kindOf(incoming).name} and a ${kindOf(inout).name} cannot be combined: pass arrays of one kind`,
    );
  const count = lengthOf(inout as Uint8Array);
  const other = lengthOf(incoming as Uint8Array);
  for (const array of [incoming, inout])
    if (lengthOf(array as Uint8Array) === 0 && !isAttached(array))
      throw new MpiError('ERR_BUFFER', 'an array that is to be combined is detached or shrunk');
  if (count !== other)
    throw new MpiError('ERR_COUNT', `arrays of ${other} and ${count} elements cannot be combined`);
  if (unit === 2 && count % 2 === 1)
    throw new MpiError('ERR_COUNT', `${count} elements are no pairs of a value and its index`);
  const distance = byteOffsetOf(incoming) - byteOffsetOf(inout);
  if (
    bufferOf(incoming) === bufferOf(inout) &&
    distance !== 0 &&
    Math.abs(distance) < byteLengthOf(inout)
  )
    throw new MpiError(
      'ERR_BUFFER',
      'arrays that overlap cannot be combined, unless they are the same',
    );
  return count;
}
