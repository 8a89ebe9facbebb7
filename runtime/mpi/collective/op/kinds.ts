/** Kinds of elements that reductions compute with. */
import { ELEMENT_TYPES } from '../../../../native/reduce.ts';
import { inWords, typeNameOf } from '../../../base/bytes.ts';
import { MpiError } from '../../../base/error.ts';
import type { Elements } from '../../datatype/data.ts';

export interface Kind {
  /** The number of the type in the addon. */
  readonly type: number;
  /** What errors call it. */
  readonly name: string;
  readonly bytes: number;
  readonly float: boolean;
  /** Elements are bigints. */
  readonly big: boolean;
  /** The bits of a bigint's or number's type, and whether it has a sign: for the loops. */
  readonly signed: boolean;
  readonly clamped: boolean;
  make(length: number): Elements;
  /** The elements [start, end) of an array of this kind. */
  view(memory: ArrayBufferLike, byteOffset: number, length: number): Elements;
}

type Maker = new (
  length: number | ArrayBufferLike,
  byteOffset?: number,
  elements?: number,
) => Elements;

const MAKERS: Record<string, (typeof ELEMENT_TYPES)[number]> = {
  Int8Array: 'int8',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8 clamped',
  Int16Array: 'int16',
  Uint16Array: 'uint16',
  Int32Array: 'int32',
  Uint32Array: 'uint32',
  BigInt64Array: 'int64',
  BigUint64Array: 'uint64',
  Float32Array: 'float32',
  Float64Array: 'float64',
  Float16Array: 'float16',
};

/** By the array's tag, which is the name of its class. */
const kinds = new Map<string, Kind>();

for (const [name, type] of Object.entries(MAKERS)) {
  // Float16Array is there from Node 24 on.
  const Maker = (globalThis as Record<string, unknown>)[name] as
    | (Maker & { readonly BYTES_PER_ELEMENT: number })
    | undefined;
  if (Maker !== undefined) kinds.set(name, kindFrom(name, type, Maker));
}

function kindFrom(
  name: string,
  type: (typeof ELEMENT_TYPES)[number],
  Maker: Maker & { readonly BYTES_PER_ELEMENT: number },
): Kind {
  return {
    type: ELEMENT_TYPES.indexOf(type),
    name,
    bytes: Maker.BYTES_PER_ELEMENT,
    float: type.startsWith('float'),
    big: type.endsWith('64') && !type.startsWith('float'),
    signed: type.startsWith('int'),
    clamped: type.endsWith('clamped'),
    make: (length) => new Maker(length),
    view: (memory, byteOffset, length) => new Maker(memory, byteOffset, length),
  };
}

/** @throws MpiError ERR_BUFFER where it is no typed array */
export function kindOf(array: unknown): Kind {
  const kind = kinds.get(typeNameOf(array) ?? '');
  if (kind !== undefined) return kind;
  throw new MpiError(
    'ERR_BUFFER',
    `a reduction takes typed arrays, whose elements it combines, not ${inWords(array)}`,
  );
}

/** Of Uint16Arrays whose elements are the upper halves of floats, and of those that are binary16. */
export const BFLOAT16: Kind = halves('bfloat16');
export const FLOAT16_BITS: Kind = halves('float16');

function halves(type: (typeof ELEMENT_TYPES)[number]): Kind {
  const { make, view } = kinds.get('Uint16Array') as Kind;
  return {
    type: ELEMENT_TYPES.indexOf(type),
    name: `Uint16Array of ${type}`,
    bytes: 2,
    float: true,
    big: false,
    signed: true,
    clamped: false,
    make,
    view,
  };
}

export const FLOAT64: Kind = kinds.get('Float64Array') as Kind;
export const INT64: Kind = kinds.get('BigInt64Array') as Kind;
/** Every kind of typed array that this Node has. */
export const KINDS: readonly Kind[] = [...kinds.values()];
