import { types } from 'node:util';

/**
 * What a typed array is, by the language's own getters and methods, which this file takes at import. A
 * subclass, a property of an array, or a Proxy can answer anything else, and another value each time. These
 * functions look at the array's inside, in any realm, and call no code of a program.
 */
type Getter<Value> = (this: unknown) => Value;

function getter<Value>(prototype: object, name: PropertyKey): Getter<Value> {
  return Object.getOwnPropertyDescriptor(prototype, name)?.get as Getter<Value>;
}

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
const getTag = getter<string | undefined>(typedArray, Symbol.toStringTag);
const getBuffer = getter<ArrayBufferLike>(typedArray, 'buffer');
const getByteOffset = getter<number>(typedArray, 'byteOffset');
const getByteLength = getter<number>(typedArray, 'byteLength');
const getLength = getter<number>(typedArray, 'length');
const getViewBuffer = getter<ArrayBufferLike>(DataView.prototype, 'buffer');
const getViewByteOffset = getter<number>(DataView.prototype, 'byteOffset');
const getViewByteLength = getter<number>(DataView.prototype, 'byteLength');
const getMemoryLength = getter<number>(ArrayBuffer.prototype, 'byteLength');
const getSharedLength = getter<number>(SharedArrayBuffer.prototype, 'byteLength');
const getMemoryReach = getter<number>(ArrayBuffer.prototype, 'maxByteLength');
const getSharedReach = getter<number>(SharedArrayBuffer.prototype, 'maxByteLength');
const { set, keys } = typedArray;

/** A message or body of no bytes. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** An array of bytes, of whatever subclass or realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return getTag.call(value) === 'Uint8Array';
}

/** A typed array of any kind; no DataView. */
export function isTypedArray(value: unknown): value is ArrayBufferView {
  return getTag.call(value) !== undefined;
}

/** The name of a typed array's type, such as `Float64Array`; undefined of what is none. */
export function typeNameOf(value: unknown): string | undefined {
  return getTag.call(value);
}

/**
 * Elements of what {@link isTypedArray}; 0 where the memory is detached or the array out of its bounds. To
 * read an element calls nobody's code, and tells V8 what it has in hand: the getter becomes a load.
 */
export function lengthOf(array: ArrayBufferView & { readonly length: number }): number {
  return (array as Uint8Array)[0] === undefined ? 0 : getLength.call(array);
}

// For a value that is no typed array the following functions throw TypeError.

export function byteLengthOf(array: unknown): number {
  return getByteLength.call(array);
}

export function byteOffsetOf(array: unknown): number {
  return getByteOffset.call(array);
}

export function bufferOf(array: unknown): ArrayBufferLike {
  return getBuffer.call(array);
}

/** The bytes of an ArrayBuffer or SharedArrayBuffer; 0 where it is detached. */
export function memoryLengthOf(memory: ArrayBufferLike): number {
  return (types.isSharedArrayBuffer(memory) ? getSharedLength : getMemoryLength).call(memory);
}

/** Bytes that views of a buffer can reach in its life: it may be resizable, or growable. */
export function reachOf(memory: ArrayBufferLike): number {
  return (types.isSharedArrayBuffer(memory) ? getSharedReach : getMemoryReach).call(memory);
}

/** The three of a DataView. @throws TypeError where the memory is detached, or the view out of its bounds */
export function dataViewParts(view: DataView): [ArrayBufferLike, offset: number, length: number] {
  return [getViewBuffer.call(view), getViewByteOffset.call(view), getViewByteLength.call(view)];
}

/** The length of what is an array of bytes; else 0, as of an empty one: a closer look tells. */
export function plainLength(value: unknown): number {
  return getTag.call(value) === 'Uint8Array' ? lengthOf(value as Uint8Array) : 0;
}

/** Whether a body of so many bytes fits into what may be anything. */
export function hasRoomFor(value: unknown, length: number): boolean {
  const room = plainLength(value);
  if (room > 0) return length <= room;
  return length === 0 && isBytes(value) && isAttached(value);
}

/** Whether the array's memory is there: Node 20 has no other way to ask than to see something fail. */
export function isAttached(array: unknown): boolean {
  try {
    keys.call(array as Uint8Array);
    return true;
  } catch {
    return false;
  }
}

/** Copies all of `from` to `to[at..]`, which is long enough. */
export function store(to: Uint8Array, from: Uint8Array, at = 0): void {
  // No bytes fit into any buffer, even a detached one.
  if (lengthOf(from) > 0) set.call(to, from, at);
}

/** The bytes [start, end), as a plain array on the same memory. */
export function part(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bufferOf(bytes), byteOffsetOf(bytes) + start, end - start);
}

/** A value as an error names it; nothing of a program's is called. */
export function inWords(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}
