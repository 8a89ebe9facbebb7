/**
 * What may be sent and received (MPI 4.1, 5.1): buffers, and memory of which not every byte belongs to the
 * message.
 */
import { types } from 'node:util';
import type { Noncontiguous } from '../../../transports/transport.ts';
import {
  byteLengthOf,
  inWords,
  isAttached,
  isBytes,
  isTypedArray,
  lengthOf,
  NO_BYTES,
  part,
  store,
} from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { bytesOf, type MessageBuffer } from '../point-to-point/buffer.ts';
import { checkCount, checkInteger, checkList, checkSafe } from './checks.ts';
import { LaidBytes, LaidPart } from './laid-bytes.ts';
import { checkInside, Layout } from './layout.ts';
import { type Placed, repeat, run } from './plan.ts';

/** `Float16Array`, where the runtime has it (Node 24 and newer). */
type Float16 = typeof globalThis extends { Float16Array: { prototype: infer A } } ? A : never;

/** Typed arrays of whole numbers. */
export type Integers =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;
/** Typed arrays of `bigint`. */
export type Bigs = BigInt64Array | BigUint64Array;
/** Typed arrays of floating-point numbers. */
export type Floats = Float32Array | Float64Array | Float16;
/** Typed arrays of any kind. */
export type Elements = Integers | Bigs | Floats;

/**
 * Elements of a typed array that do not lie side by side (MPI 4.1, 5.1): the fields of an `ndarray`, which is taken
 * as it is. Element (i, j, …) is `data[offset + i * stride[0] + j * stride[1] + …]`; a stride may be negative.
 * The elements travel in the order of their indices, of which the last one runs fastest.
 */
export interface Strided<A extends Elements = Elements> {
  /** The typed array. */
  readonly data: A;
  /** Elements in each dimension. */
  readonly shape: readonly number[];
  /** Elements of `data` from one to the next along each dimension. */
  readonly stride: readonly number[];
  /** Where the element with all indices 0 lies in `data`, in elements. */
  readonly offset: number;
}

/** Memory under a {@link Layout} (MPI 4.1, 5.1). */
export interface Laid {
  /** The memory. */
  readonly data: MessageBuffer;
  /** Which of its bytes belong to the message. */
  readonly layout: Layout;
  /** How many of the layout, an extent apart; 1 if left out. */
  readonly count?: number;
  /** Where the layout begins in `data`, in bytes; 0 if left out. */
  readonly offset?: number;
}

/** Whatever can be sent or received. */
export type Data = MessageBuffer | Strided | Laid;

/** The bytes of a message: side by side, or not. */
export type Payload = Uint8Array | Noncontiguous;

/** Its bytes; the array's own property could say anything. */
export function sizeOf(payload: Payload): number {
  return isBytes(payload) ? lengthOf(payload) : payload.length;
}

/** The bytes [start, end) of a message. */
export function partOf(payload: Payload, start: number, end: number): Payload {
  if (isBytes(payload)) return part(payload, start, end);
  return start === end ? NO_BYTES : new LaidPart(payload, start, end - start);
}

/** The same bytes side by side, in memory of their own. @throws MpiError ERR_NO_MEM */
export function copyOf(payload: Payload): Uint8Array {
  const length = sizeOf(payload);
  try {
    const copy = new Uint8Array(length);
    if (isBytes(payload)) store(copy, payload);
    else payload.pack(0, length, copy, 0);
    return copy;
  } catch (cause) {
    throw new MpiError(
      'ERR_NO_MEM',
      `there is no memory for a copy of a message of ${length} bytes: use a call that needs none (send, sendrecv)`,
      { cause },
    );
  }
}

/**
 * The bytes of what is sent or received. `null` has none, and is for PROC_NULL alone.
 * @throws MpiError ERR_BUFFER where it is nothing that can be sent, its memory is gone, or it reaches beyond its
 *   memory; ERR_ARG, ERR_COUNT where its fields are none
 */
export function payloadOf(data: Data | null, peer: number): Payload {
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data))
    return bytesOf(data as MessageBuffer, peer);
  if (types.isAnyArrayBuffer(data)) return bytesOf(data, peer);
  if ('layout' in data) return laid(data);
  if ('shape' in data) return strided(data);
  return bytesOf(data, peer);
}

/** {@link payloadOf} for a receive. @throws MpiError ERR_BUFFER, too, where elements lie on each other */
export function roomOf(data: Data | null, peer: number): Payload {
  const payload = payloadOf(data, peer);
  if (payload instanceof LaidBytes && 'shape' in (data as object))
    for (const [i, stride] of (data as Strided).stride.entries())
      if (stride === 0 && (data as Strided).shape[i] > 1)
        throw new MpiError(
          'ERR_BUFFER',
          `what is received cannot lie in one place: along dimension ${i} the stride is 0`,
        );
  return payload;
}

function laid({ data, layout, count = 1, offset = 0 }: Laid): Payload {
  if (!(layout instanceof Layout))
    throw new MpiError('ERR_ARG', `the layout of a buffer is ${inWords(layout)}, not a Layout`);
  checkCount(count, 'the count of a layout');
  checkInteger(offset, 'the offset of a layout');
  const bytes = bytesOf(data);
  const placed = layout.times(count);
  checkInside(placed, offset, lengthOf(bytes));
  if (placed.plan.kind !== 'run') return new LaidBytes(bytes, placed, offset);
  return runOf(bytes, offset + placed.at, placed.plan.size);
}

function strided({ data, shape, stride, offset }: Strided): Payload {
  if (!isTypedArray(data))
    throw new MpiError(
      'ERR_BUFFER',
      `the data of a strided array is ${inWords(data)}, not a typed array`,
    );
  const length = lengthOf(data);
  if (length === 0 && !isAttached(data))
    throw new MpiError('ERR_BUFFER', 'the data of a strided array is detached or shrunk');
  const placed = elements(shape, stride, offset, byteLengthOf(data) / length);
  checkStrides(placed, data, length);
  if (placed.plan.kind !== 'run') return new LaidBytes(data, placed, 0);
  return runOf(bytesOf(data), placed.at, placed.plan.size);
}

/** The plan of a strided array of elements of `width` bytes. */
function elements(
  shape: readonly number[],
  stride: readonly number[],
  offset: number,
  width: number,
): Placed {
  checkList(shape, 'the shape of a strided array');
  checkList(stride, 'the strides of a strided array');
  checkInteger(offset, 'the offset of a strided array');
  if (shape.length !== stride.length)
    throw new MpiError(
      'ERR_ARG',
      `a strided array has a stride for each dimension: there are ${stride.length} for ${shape.length}`,
    );
  let placed: Placed = { at: offset * width, plan: run(width) };
  for (let i = shape.length - 1; i >= 0; i--) {
    checkCount(shape[i], `dimension ${i} of a strided array`);
    checkInteger(stride[i], `stride ${i} of a strided array`);
    placed = repeat(placed, shape[i], stride[i] * width);
  }
  return placed;
}

function checkStrides({ at, plan }: Placed, data: ArrayBufferView, length: number): void {
  if (plan.size === 0) return;
  const width = byteLengthOf(data) / length;
  checkSafe(plan.size);
  const first = at + plan.low;
  const end = at + plan.high;
  if (first >= 0 && end <= byteLengthOf(data)) return;
  throw new MpiError(
    'ERR_BUFFER',
    `a strided array takes the elements ${first / width} to ${end / width - 1} of an array that has ${length}: shape, stride and offset do not fit its data`,
  );
}

function runOf(bytes: Uint8Array, at: number, size: number): Uint8Array {
  if (size === 0) return part(bytes, 0, 0);
  return at === 0 && size === lengthOf(bytes) ? bytes : part(bytes, at, at + size);
}
