/** What may be sent and received: an ArrayBufferView, an ArrayBuffer, a SharedArrayBuffer. */

import { types } from 'node:util';
import {
  bufferOf,
  byteLengthOf,
  byteOffsetOf,
  dataViewParts,
  inWords,
  isAttached,
  isBytes,
  isTypedArray,
  lengthOf,
  memoryLengthOf,
  NO_BYTES,
} from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';

export type MessageBuffer = ArrayBufferView | ArrayBufferLike;

/**
 * Views of bytes by the object they belong to: a program that sends from the same Float64Array for
 * ever gets one, and it goes with the array.
 */
const aliases = new WeakMap<object, Uint8Array>();

/**
 * The bytes of a buffer, offset respected; the array itself where it is one of bytes. `null` has none,
 * and is for PROC_NULL alone, where no buffer is looked at (MPI 4.1, 3.10).
 * @throws MpiError ERR_BUFFER where it is no buffer, or its memory is gone
 */
export function bytesOf(buffer: MessageBuffer | null, peer = 0): Uint8Array {
  if (isBytes(buffer)) {
    // A detached or out-of-bounds array has length 0, as an empty one: only then look closer.
    if (lengthOf(buffer) === 0 && !isAttached(buffer)) throw detached();
    return buffer;
  }
  if (buffer === null && peer === PROC_NULL) return NO_BYTES;
  return aliasOf(buffer);
}

function aliasOf(buffer: MessageBuffer | null): Uint8Array {
  if (isTypedArray(buffer)) {
    const length = byteLengthOf(buffer);
    if (length === 0 && !isAttached(buffer)) throw detached();
    return alias(buffer, bufferOf(buffer), byteOffsetOf(buffer), length);
  }
  if (types.isDataView(buffer)) {
    return alias(buffer, ...unlessDetached(() => dataViewParts(buffer)));
  }
  if (types.isAnyArrayBuffer(buffer)) {
    const length = memoryLengthOf(buffer);
    // A detached one has length 0, and of it no view can be made.
    if (length === 0) unlessDetached(() => new Uint8Array(buffer));
    return alias(buffer, buffer, 0, length);
  }
  const hint = buffer === null ? ', which is for PROC_NULL alone' : '';
  throw new MpiError(
    'ERR_BUFFER',
    `a buffer must be an ArrayBufferView, ArrayBuffer or SharedArrayBuffer, not ${inWords(buffer)}${hint}`,
  );
}

function alias(owner: object, memory: ArrayBufferLike, offset: number, length: number): Uint8Array {
  const known = aliases.get(owner);
  // A resizable buffer's view may have grown since.
  if (known !== undefined && known.length === length && known.byteOffset === offset) return known;
  const made = arrayOf(memory, offset, length);
  aliases.set(owner, made);
  return made;
}

function arrayOf(memory: ArrayBufferLike, offset: number, length: number): Uint8Array {
  try {
    return new Uint8Array(memory, offset, length);
  } catch (cause) {
    const most = `of ${length} bytes is longer than an array of bytes can be in Node ${process.versions.node}`;
    throw new MpiError('ERR_BUFFER', `a buffer ${most}: send and receive it in parts`, { cause });
  }
}

function unlessDetached<Result>(look: () => Result): Result {
  try {
    return look();
  } catch {
    throw detached();
  }
}

function detached(): MpiError {
  return new MpiError(
    'ERR_BUFFER',
    'the buffer is detached or shrunk: its memory was transferred elsewhere (postMessage, structuredClone), or its view lies beyond it',
  );
}
