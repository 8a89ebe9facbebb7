/** Reductions of one number or bigint in place of an array. */
import { MpiError } from '../../base/error.ts';
import type { Elements } from '../datatype/data.ts';
import type { Prepared } from './prepared.ts';

/** A `number` is reduced as an element of a Float64Array, a `bigint` as one of a BigInt64Array. */
export type Scalar = number | bigint;

export function isScalar(value: unknown): value is Scalar {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** Arrays of calls that have ended: a new array and its buffer take longer than a short call. */
const numbers: Float64Array[] = [];
const bigints: BigInt64Array[] = [];
const IDLE_MAX = 16;

/** @throws MpiError ERR_ARG where it does not fit into 64 bits */
export function arrayOf(value: Scalar): Elements {
  if (typeof value === 'number') {
    const array = numbers.pop() ?? new Float64Array(1);
    array[0] = value;
    return array;
  }
  if (BigInt.asIntN(64, value) !== value)
    throw new MpiError('ERR_ARG', `${value}n has more than 64 bits, of which a reduction computes`);
  const array = bigints.pop() ?? new BigInt64Array(1);
  array[0] = value;
  return array;
}

/** A call on what {@link arrayOf} gave, as a call that gives the element. */
export function ofElement(
  prepared: Prepared<Elements | null>,
  array: Elements,
): Prepared<Scalar | null> {
  let value: Scalar | null | undefined;
  return giving(prepared, (result) => {
    // A request tells its result more than once, and the array is another call's by then.
    if (value !== undefined) return value;
    value = result === null ? null : result[0];
    giveBack(array);
    return value;
  });
}

/** The call has ended well: nothing of it looks at its array any more. */
function giveBack(array: Elements): void {
  const idle: Elements[] = array instanceof Float64Array ? numbers : bigints;
  if (idle.length < IDLE_MAX) idle.push(array);
}

/** The same call, which gives something else. */
export function giving<From, To>(prepared: Prepared<From>, pick: (from: From) => To): Prepared<To> {
  const { line, signature, algorithm, memory } = prepared;
  return {
    signature,
    algorithm,
    memory,
    *schedule(tag) {
      return pick(yield* prepared.schedule(tag));
    },
    line: line && {
      inCrowd: line.inCrowd,
      make: line.make,
      result: () => pick(line.result()),
    },
  };
}
