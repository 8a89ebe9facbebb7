/** What makes a view fit to be leased and posted on (rule R4), and the errors that say it is not. */
import { types } from 'node:util';
import * as bytes from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';

/** The bytes that can be leased. */
export type View = ArrayBufferView;

/** A view with elements: a typed array, no DataView. */
export type Elements = View & { readonly length: number };

/** The bytes of so many elements, which are all that the view has. */
export function byteLengthOf(view: Elements, length: number): number {
  return bytes.isBytes(view) ? length : bytes.byteLengthOf(view);
}

/** A DataView as the Uint8Array of its bytes: one whose length does not throw when it is detached. */
export function plainView(view: unknown): Elements {
  if (!types.isDataView(view)) throw notMemory();
  let parts: [ArrayBufferLike, offset: number, length: number];
  try {
    parts = bytes.dataViewParts(view);
  } catch (cause) {
    throw detached(cause);
  }
  try {
    return new Uint8Array(...parts);
  } catch (cause) {
    const length = parts[2];
    const message = `a DataView of ${length} bytes is longer than a Uint8Array can be here`;
    throw new MpiError('ERR_BUFFER', `${message}: lease the memory by a typed array`, { cause });
  }
}

/** A view of no bytes is legal; one of a detached buffer looks the same until it is used. */
export function assertAttached(view: Elements): void {
  if (!bytes.isAttached(view)) throw detached();
}

export function notMemory(): MpiError {
  return new MpiError('ERR_ARG', 'only a typed array, a Buffer or a DataView can be leased');
}

function detached(cause?: unknown): MpiError {
  return new MpiError('ERR_BUFFER', 'the buffer is detached, or the view is out of its bounds', {
    cause,
  });
}

export function changed(leased: number, view: Elements): MpiError {
  const there = bytes.byteLengthOf(view);
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

/** The whole pages that [address, address + length) lies in. */
export function pagesAround(
  address: number,
  length: number,
  page: number,
): { start: number; end: number } {
  const start = address - (address % page);
  return { start, end: Math.ceil((address + length) / page) * page };
}

export function outside(offset: number, length: number, most: number): MpiError {
  return new MpiError(
    'ERR_COUNT',
    `${length} bytes at ${offset} do not lie inside the ${most} leased bytes`,
  );
}

export function unfit(length: number): MpiError {
  return new MpiError(
    'ERR_BUFFER',
    `a buffer of ${length} bytes that is detached, empty or resizable cannot be kept registered`,
  );
}
