/** What may be sent and received: an ArrayBufferView, an ArrayBuffer, a SharedArrayBuffer. */
import { MpiError } from '../../base/error.ts';

export type MessageBuffer = ArrayBufferView | ArrayBufferLike;

/**
 * Views of bytes by the object they belong to: a program that sends from the same Float64Array for
 * ever gets one, and it goes with the array.
 */
const aliases = new WeakMap<object, Uint8Array>();

/** The message's bytes of a zero-byte message. */
export const NO_BYTES = new Uint8Array(0);

/**
 * The bytes of a buffer, offset respected; the array itself where it is one of bytes.
 * @throws MpiError ERR_BUFFER where it is no buffer, or its memory is gone
 */
export function bytesOf(buffer: MessageBuffer): Uint8Array {
  if (buffer instanceof Uint8Array) {
    // A detached or out-of-bounds array has length 0, as an empty one: only then look closer.
    if (buffer.length === 0) checkAlive(buffer);
    return buffer;
  }
  return aliasOf(buffer);
}

function aliasOf(buffer: MessageBuffer): Uint8Array {
  if (ArrayBuffer.isView(buffer)) {
    checkAlive(buffer);
    return alias(buffer, buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }
  if (buffer instanceof ArrayBuffer || buffer instanceof SharedArrayBuffer) {
    if (buffer instanceof ArrayBuffer) checkAttached(buffer);
    return alias(buffer, buffer, 0, buffer.byteLength);
  }
  const what = buffer === null ? 'null' : typeof buffer;
  throw new MpiError(
    'ERR_BUFFER',
    `a buffer must be an ArrayBufferView, ArrayBuffer or SharedArrayBuffer, not ${what}`,
  );
}

function alias(owner: object, memory: ArrayBufferLike, offset: number, length: number): Uint8Array {
  const known = aliases.get(owner);
  // A resizable buffer's view may have grown since.
  if (known !== undefined && known.length === length && known.byteOffset === offset) return known;
  const made = new Uint8Array(memory, offset, length);
  aliases.set(owner, made);
  return made;
}

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;

/**
 * Neither typed arrays nor DataViews say that their memory is gone, but each has a way to fail where
 * it is: Node 20 has no `detached` to ask.
 * @throws MpiError ERR_BUFFER
 */
function checkAlive(view: ArrayBufferView): void {
  try {
    if (view instanceof DataView) void view.byteLength;
    else typedArray.keys.call(view as Uint8Array);
  } catch {
    throw new MpiError(
      'ERR_BUFFER',
      'the buffer is detached or shrunk: its memory was transferred elsewhere (postMessage, structuredClone), or its view lies beyond it',
    );
  }
}

/** Of a detached buffer no view can be made. */
function checkAttached(memory: ArrayBuffer): void {
  if (memory.byteLength > 0) return;
  try {
    new Uint8Array(memory);
  } catch {
    throw new MpiError(
      'ERR_BUFFER',
      'the buffer is detached: its memory was transferred elsewhere (postMessage, structuredClone)',
    );
  }
}
