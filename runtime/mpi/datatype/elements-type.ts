/** The typed arrays that a program can have over memory of its choice. */
import { byteLengthOf, inWords, isTypedArray, lengthOf } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { checkCount } from '../arguments.ts';
import type { Elements } from './data.ts';

/** A typed array's constructor, over memory that there is: what {@link MPI.allocate} takes (MPI 4.1, 9.2). */
export interface ElementsType<A extends Elements> {
  new (buffer: ArrayBuffer): A;
  /** The width of an element. */
  readonly BYTES_PER_ELEMENT: number;
}

/**
 * Bytes of so many elements.
 * @throws MpiError ERR_ARG where the type is no typed array's; ERR_COUNT
 */
export function bytesOfElements(
  type: ElementsType<Elements>,
  length: number | undefined,
  most: number,
): number {
  const width = widthOf(type);
  if (width === 0)
    throw new MpiError(
      'ERR_ARG',
      `${inWords(type)} is no type of elements: give Float64Array, or another typed array's constructor`,
    );
  if (length === undefined || !Number.isSafeInteger(length) || length < 0)
    throw new MpiError('ERR_COUNT', `${inWords(length)} is no number of elements`);
  checkCount(length * width, most);
  return length * width;
}

/** Bytes of one element, as seen in an array of that type; 0: it makes none. A Buffer is made by other functions. */
function widthOf(type: ElementsType<Elements>): number {
  if ((type as unknown) === Buffer) return 0;
  try {
    const probe = new type(new ArrayBuffer(8));
    return isTypedArray(probe) && byteLengthOf(probe) === 8 ? 8 / lengthOf(probe) : 0;
  } catch {
    return 0;
  }
}
