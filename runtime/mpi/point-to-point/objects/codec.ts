/** How objects become bytes, and arrays within them messages of their own. */
import { types } from 'node:util';
import { byteLengthOf, inWords, isTypedArray, memoryLengthOf } from '../../../base/bytes.ts';
import { MpiError } from '../../../base/error.ts';

/** Makes bytes of a value, and the value of the bytes. */
export interface Codec<T = unknown> {
  /**
   * The value as bytes, which the codec does not touch any more. Views within may be left out of the bytes, and
   * put into `views`: they are sent as they lie.
   * @throws where the value cannot be sent; the call that sends it then throws ERR_ARG
   */
  encode(value: T, views: ArrayBufferView[]): Uint8Array;
  /**
   * The value. It must not keep `bytes`, whose memory is used again.
   * @param views the bytes of what {@link encode} put into its `views`, each in memory of its own
   * @throws where these are no value's; the call that receives it then throws ERR_PROTOCOL
   */
  decode(bytes: Uint8Array, views: readonly Uint8Array[]): T;
}

/** Shorter arrays stay among the bytes: a message of its own costs more. */
export const OBJECT_VIEW_MIN = 1024;

const ARRAYS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;
type ArrayMaker = new (memory: ArrayBuffer, at: number, length: number) => ArrayBufferView;
const MAKERS = new Map<string, ArrayMaker>(ARRAYS.map((each) => [each.name, each as ArrayMaker]));
const { Float16Array } = globalThis as { Float16Array?: ArrayMaker };
if (Float16Array !== undefined) MAKERS.set('Float16Array', Float16Array);

const NAMES = [
  ...ARRAYS.map(({ name }) => name),
  'Float16Array',
  'DataView',
  'ArrayBuffer',
  'Buffer',
];

/** Everything that {@link kindOf} knows is an instance of one of these. */
export const VIEW_CLASSES = [
  Object.getPrototypeOf(Uint8Array) as new () => Uint8Array,
  DataView,
  ArrayBuffer,
  SharedArrayBuffer,
] as const;

/** What kind of memory a value is: a number for the wire. */
export function kindOf(value: ArrayBufferView | ArrayBufferLike): number {
  if (types.isAnyArrayBuffer(value)) return NAMES.indexOf('ArrayBuffer');
  if (Buffer.isBuffer(value)) return NAMES.indexOf('Buffer');
  return NAMES.indexOf(
    isTypedArray(value) ? (value as Uint8Array)[Symbol.toStringTag] : 'DataView',
  );
}

/** A view of it. */
export function viewOf(value: ArrayBufferView | ArrayBufferLike): ArrayBufferView {
  return types.isAnyArrayBuffer(value) ? new Uint8Array(value) : (value as ArrayBufferView);
}

export function viewBytes(value: ArrayBufferView | ArrayBufferLike): number {
  if (types.isAnyArrayBuffer(value)) return memoryLengthOf(value);
  return isTypedArray(value) ? byteLengthOf(value) : (value as DataView).byteLength;
}

/** Makes memory of a kind of bytes that nobody else has. @throws MpiError ERR_PROTOCOL where it cannot be so */
export function ofKind(kind: number, bytes: Uint8Array | undefined): unknown {
  const name = NAMES[kind];
  if (bytes === undefined || name === undefined)
    throw new MpiError('ERR_PROTOCOL', `an object has an array of kind ${kind} that did not come`);
  const { byteOffset, byteLength } = bytes;
  const buffer = bytes.buffer as ArrayBuffer;
  if (name === 'ArrayBuffer') return buffer;
  if (name === 'DataView') return new DataView(buffer, byteOffset, byteLength);
  if (name === 'Buffer') return Buffer.from(buffer, byteOffset, byteLength);
  const make = MAKERS.get(name);
  if (make === undefined)
    throw new MpiError('ERR_UNSUPPORTED', `an object has a ${name}, which this Node does not know`);
  const width = (make as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
  if (byteLength % width !== 0)
    throw new MpiError('ERR_PROTOCOL', `an object has a ${name} of ${byteLength} bytes`);
  return new make(buffer, byteOffset, byteLength / width);
}

/** @throws MpiError ERR_ARG unless it is a codec */
export function checkCodec(codec: unknown): void {
  const { encode, decode } = Object(codec) as Partial<Codec>;
  if (typeof encode === 'function' && typeof decode === 'function') return;
  throw new MpiError(
    'ERR_ARG',
    `${inWords(codec)} is no codec: it has no functions encode and decode`,
  );
}
