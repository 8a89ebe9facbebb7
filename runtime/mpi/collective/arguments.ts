/** What collective calls check of their arguments, before anything is sent. */
import {
  bufferOf,
  byteLengthOf,
  byteOffsetOf,
  inWords,
  isTypedArray,
  lengthOf,
  part,
} from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import type { Elements } from '../datatype/data.ts';
import { bytesOf } from '../point-to-point/buffer.ts';
import { nameOfType, type OperationName, typeOf, widthOf } from './signature.ts';

/**
 * In place of the data that a rank gives: the data lie where the result will be (MPI_IN_PLACE; MPI 4.1, 6.2.2). Where the
 * same memory is given twice, it is in place as well.
 */
export const IN_PLACE: unique symbol = Symbol('IN_PLACE');
/** The type of {@link IN_PLACE} (MPI 4.1, 6.2.2). */
export type InPlace = typeof IN_PLACE;

/** Elements of one type, side by side. */
export interface Dense {
  readonly bytes: Uint8Array;
  readonly type: number;
  readonly count: number;
}

/** @throws MpiError ERR_RANK */
export function checkRoot(root: number, size: number): void {
  if (Number.isInteger(root) && root >= 0 && root < size) return;
  throw new MpiError(
    'ERR_RANK',
    `the root ${inWords(root)} is no rank of this communicator: it has the ranks 0 to ${size - 1}`,
  );
}

/** @throws MpiError ERR_BUFFER where it is no typed array, or its memory is gone */
export function elementsOf(operation: OperationName, what: string, data: unknown): Dense {
  if (!isTypedArray(data))
    throw new MpiError(
      'ERR_BUFFER',
      `${operation}: ${what} is ${inWords(data)}, not a typed array`,
    );
  const bytes = bytesOf(data);
  const type = typeOf(data);
  return { bytes, type, count: lengthOf(bytes) / widthOf(type) };
}

/** A typed array of the same type. @throws MpiError ERR_NO_MEM */
export function newElements<A extends Elements>(
  operation: OperationName,
  like: A,
  count: number,
): A {
  const type = nameOfType(typeOf(like));
  const make = (globalThis as unknown as Record<string, new (length: number) => A>)[type];
  try {
    return new make(count);
  } catch (cause) {
    throw new MpiError(
      'ERR_NO_MEM',
      `${operation}: there is no memory for the result, which has ${count} elements of ${type}`,
      { cause },
    );
  }
}

/** @throws MpiError ERR_BUFFER where they are of two types */
export function checkTypes(operation: OperationName, send: Dense, receive: Dense): void {
  if (send.type === receive.type) return;
  throw new MpiError(
    'ERR_BUFFER',
    `${operation}: what is sent is a ${nameOfType(send.type)}, and the array for the result a ${nameOfType(receive.type)}: pass arrays of one type`,
  );
}

/** The elements of a rank's block. @throws MpiError ERR_COUNT where the array has not as many for each rank */
export function blockCount(
  operation: OperationName,
  what: string,
  all: Dense,
  size: number,
): number {
  const count = all.count / size;
  if (Number.isInteger(count)) return count;
  throw new MpiError(
    'ERR_COUNT',
    `${operation}: ${what} has ${all.count} elements, which is no block of the same length for each of ${size} ranks`,
  );
}

/** @throws MpiError ERR_COUNT where it has other than `size` blocks of `count` elements */
export function checkBlocks(
  operation: OperationName,
  what: string,
  all: Dense,
  count: number,
  size: number,
): void {
  if (all.count === count * size) return;
  throw new MpiError(
    'ERR_COUNT',
    `${operation}: ${what} has ${all.count} elements, and ${size} ranks with blocks of ${count} make ${count * size}`,
  );
}

/** The bytes of a rank's block. */
export function blockOf(all: Uint8Array, rank: number, bytes: number): Uint8Array {
  return part(all, rank * bytes, (rank + 1) * bytes);
}

/** Whether both are the same memory. */
export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return (
    bufferOf(one) === bufferOf(other) &&
    byteOffsetOf(one) === byteOffsetOf(other) &&
    byteLengthOf(one) === byteLengthOf(other)
  );
}

/** @throws MpiError ERR_BUFFER where what is sent and what is received have bytes in common */
export function checkApart(operation: OperationName, send: Uint8Array, receive: Uint8Array): void {
  if (bufferOf(send) !== bufferOf(receive)) return;
  const first = byteOffsetOf(send);
  const second = byteOffsetOf(receive);
  if (first >= second + byteLengthOf(receive) || second >= first + byteLengthOf(send)) return;
  throw new MpiError(
    'ERR_BUFFER',
    `${operation}: what is sent and the array for the result overlap: pass IN_PLACE, or other memory`,
  );
}
