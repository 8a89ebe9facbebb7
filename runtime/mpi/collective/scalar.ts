/** Reductions of one number or bigint in place of an array. */
import { MpiError } from '../../base/error.ts';
import type { Elements } from '../datatype/data.ts';
import type { Prepared } from './calls.ts';

/** A `number` is reduced as an element of a Float64Array, a `bigint` as one of a BigInt64Array. */
export type Scalar = number | bigint;

export function isScalar(value: unknown): value is Scalar {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** @throws MpiError ERR_ARG where it does not fit into 64 bits */
export function arrayOf(value: Scalar): Elements {
  if (typeof value === 'number') return Float64Array.of(value);
  if (BigInt.asIntN(64, value) === value) return BigInt64Array.of(value);
  throw new MpiError('ERR_ARG', `${value}n has more than 64 bits, of which a reduction computes`);
}

/** A call on an array of one element, as a call that gives the element. */
export function ofElement(prepared: Prepared<Elements | null>): Prepared<Scalar | null> {
  return giving(prepared, (array) => (array === null ? null : array[0]));
}

/** The same call, which gives something else. */
export function giving<From, To>(prepared: Prepared<From>, pick: (from: From) => To): Prepared<To> {
  const { line } = prepared;
  return {
    ...prepared,
    *schedule(tag) {
      return pick(yield* prepared.schedule(tag));
    },
    line: line && { ...line, result: () => pick(line.result()) },
  };
}
