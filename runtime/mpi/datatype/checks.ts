/** Checks of what layouts are made from. */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';

/** @throws MpiError ERR_COUNT unless it is a number of elements */
export function checkCount(count: unknown, what: string): asserts count is number {
  if (Number.isSafeInteger(count) && (count as number) >= 0) return;
  throw new MpiError(
    'ERR_COUNT',
    `${what} is ${inWords(count)}: it must be a whole number from 0 on`,
  );
}

/** @throws MpiError ERR_ARG unless it is a whole number that is exact */
export function checkInteger(value: unknown, what: string): asserts value is number {
  if (Number.isSafeInteger(value)) return;
  throw new MpiError('ERR_ARG', `${what} is ${inWords(value)}: it must be a whole number`);
}

/** @throws MpiError ERR_ARG unless it is an array, or a typed array */
export function checkList(list: unknown, what: string): asserts list is ArrayLike<unknown> {
  if (Array.isArray(list) || (ArrayBuffer.isView(list) && 'length' in list)) return;
  throw new MpiError('ERR_ARG', `${what} are ${inWords(list)}: pass an array of numbers`);
}

/** @throws MpiError ERR_COUNT where an address or size of a layout cannot be counted exactly */
export function checkSafe(value: number): void {
  if (Number.isSafeInteger(value)) return;
  throw new MpiError(
    'ERR_COUNT',
    'a layout reaches further than 2^53 bytes, beyond which numbers are not exact',
  );
}
