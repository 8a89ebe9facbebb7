/** Elements of collective operations: their types, the values that a seed decides, and the operations of reductions. */
import {
  AVG,
  BAND,
  BOR,
  BXOR,
  type Elements,
  LAND,
  LOR,
  LXOR,
  MAX,
  MAXLOC,
  MIN,
  MINLOC,
  Op,
  PROD,
  SUM,
} from '../../../runtime/index.ts';
import { filled } from './step.ts';

export interface Maker {
  new (length: number): Elements;
  new (buffer: ArrayBuffer): Elements;
  readonly BYTES_PER_ELEMENT: number;
}

const TYPES: Readonly<Record<string, Maker>> = {
  Int8Array,
  Uint8Array,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
  Float32Array,
  Float64Array,
};

/** Of the affine maps x -> a x + b that MAPS composes, modulo a prime: an element is a * 256 + b. */
const PRIME = 251;

function composed(first: number, second: number): number {
  const [a, b] = [Math.floor(first / 256), first % 256];
  const [c, d] = [Math.floor(second / 256), second % 256];
  return ((a * c) % PRIME) * 256 + ((a * d + b) % PRIME);
}

const isBig = (array: Elements): array is BigInt64Array | BigUint64Array =>
  array instanceof BigInt64Array || array instanceof BigUint64Array;

/** Any kind of array. */
export type AnyOp = Op<never> & Op<Elements>;

const OPS: Readonly<Record<string, unknown>> = {
  ...{ SUM, PROD, MIN, MAX, AVG, BAND, BOR, BXOR, LAND, LOR, LXOR, MINLOC, MAXLOC },
  MAPS: Op.of<Elements>(
    (incoming, inout) => {
      for (let i = 0; i < inout.length; i++) {
        const result = composed(Number(incoming[i]), Number(inout[i]));
        if (isBig(inout)) inout[i] = BigInt(result);
        else inout[i] = result;
      }
    },
    { name: 'maps' },
  ),
  EACH_MAPS: Op.each<Float64Array>(
    (incoming, inout) => {
      const result = composed(Number(incoming), Number(inout));
      return (typeof incoming === 'bigint' ? BigInt(result) : result) as number;
    },
    { name: 'each maps' },
  ),
};

export function typeOf(name: string): Maker {
  const type = TYPES[name];
  if (type === undefined) throw new Error(`there is no type ${name}`);
  return type;
}

export function opOf(name: string): AnyOp {
  const op = OPS[name];
  if (op === undefined) throw new Error(`there is no operation ${name} on elements`);
  return op as AnyOp;
}

/** Values of an element: MINLOC has two. */
export const unitOf = (op: string): number => (op.endsWith('LOC') ? 2 : 1);

const POWERS = [0.5, 1, 2, -1];

/** Values whose sum depends on the order; where a schedule says so, of floating-point numbers. */
let rough = false;
export function beRough(): void {
  rough = true;
}

function valueFrom(kind: string, x: number): number {
  const byte = x >>> 24;
  if (kind === 'few') return byte & 3;
  if (kind === 'halves') return byte >> 1;
  if (kind === 'maps') return (1 + (byte % (PRIME - 1))) * 256 + (((x >>> 16) & 255) % PRIME);
  if (rough) return (x >>> 8) / 2 ** 24 + 0.3;
  if (kind === 'powers') return POWERS[byte & 3];
  return (byte - 128) / 4;
}

/** What a rank gives: `kind` says which values a sum, a product, … of them has in every order. */
export function fillElements(kind: string, array: Elements, seed: number): void {
  if (kind === 'bytes') {
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(
      filled(array.byteLength, seed),
    );
    return;
  }
  let x = seed;
  for (let i = 0; i < array.length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    const value = valueFrom(kind, x);
    if (isBig(array)) array[i] = BigInt(value);
    else array[i] = value;
  }
}
