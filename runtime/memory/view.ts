/** What makes a view fit to be leased and posted on (rule R4), and the errors that say it is not. */
import { MpiError } from '../base/error.ts';
import type { View } from './lease.ts';

/** A view with elements: a typed array, no DataView. */
export type Elements = View & { readonly length: number };

/**
 * The language's own getters, which no subclass can replace: that a view is as long as it says must
 * be true, since devices do not check. And V8 compiles `view.buffer` to a generic look-up of the
 * property and a call; with the getter in hand the call is left, 7 ns less, and of `length` a load.
 * They throw TypeError for what is no typed array.
 */
const getters = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(Uint8Array.prototype));
const getBuffer = getters.buffer.get as (this: Elements) => ArrayBufferLike;
const getByteOffset = getters.byteOffset.get as (this: Elements) => number;
const getByteLength = getters.byteLength.get as (this: Elements) => number;
const getLength = getters.length.get as (this: Elements) => number;

export function bufferOf(view: Elements): ArrayBufferLike {
  return getBuffer.call(view);
}

export function byteOffsetOf(view: Elements): number {
  return getByteOffset.call(view);
}

/** Elements; 0 where the buffer is detached or the view out of its bounds. */
export function lengthOf(view: Elements): number {
  return getLength.call(view);
}

/** The bytes of so many elements, which are all that the view has. */
export function byteLengthOf(view: Elements, length: number): number {
  return view instanceof Uint8Array ? length : getByteLength.call(view);
}

/** A DataView as the Uint8Array of its bytes: one whose length does not throw when it is detached. */
export function plainView(view: unknown): Elements {
  if (!(view instanceof DataView)) throw notMemory();
  let length: number;
  try {
    length = view.byteLength;
  } catch (cause) {
    throw detached(cause);
  }
  try {
    return new Uint8Array(view.buffer, view.byteOffset, length);
  } catch (cause) {
    const message = `a DataView of ${length} bytes is longer than a Uint8Array can be here`;
    throw new MpiError('ERR_BUFFER', `${message}; lease it by a typed array`, { cause });
  }
}

/** A view of no bytes is legal; one of a detached buffer looks the same until it is used. */
export function assertAttached(view: Elements): void {
  try {
    (view as Uint8Array).keys();
  } catch (cause) {
    throw detached(cause);
  }
}

export function notMemory(): MpiError {
  return new MpiError('ERR_ARG', 'memory is leased by typed array, Buffer or DataView');
}

function detached(cause: unknown): MpiError {
  return new MpiError('ERR_BUFFER', 'the buffer is detached, or the view is out of its bounds', {
    cause,
  });
}

export function changed(leased: number, there: number): MpiError {
  return new MpiError(
    'ERR_BUFFER',
    `the buffer was detached, shrunk or resized: ${leased} bytes were leased, ${there} are there`,
  );
}

/** Whether [offset, offset + length) are bytes of `most`, and at least one. */
export function inside(offset: number, length: number, most: number): boolean {
  return (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length > 0 &&
    offset + length <= most
  );
}

export function outside(offset: number, length: number, most: number): MpiError {
  return new MpiError(
    'ERR_COUNT',
    `${length} bytes at ${offset} do not lie inside the ${most} leased bytes`,
  );
}

/** Bytes that views of a buffer can reach in its life: it may be resizable, or growable. */
export function reachOf(buffer: ArrayBufferLike): number {
  return (buffer as { maxByteLength?: number }).maxByteLength ?? buffer.byteLength;
}

export function unfit(length: number): MpiError {
  return new MpiError(
    'ERR_BUFFER',
    `a buffer of ${length} bytes that is detached, empty or resizable cannot be kept registered`,
  );
}
