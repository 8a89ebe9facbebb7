/** Reductions as plainly as they can be written, to compare with: one value after the other. */
import type { Elements } from '../../runtime/index.ts';

type Value = number | bigint;

/** How a value is read from an array's element and stored into it; more than the array's own for halves. */
export interface Format {
  name: string;
  make(length: number): Elements;
  get(array: Elements, i: number): Value;
  set(array: Elements, i: number, value: Value): void;
}

/** The nearest number of `bits` significant bits, ties to even, whose last place is at least 2^`least`. */
function rounded(value: number, bits: number, least: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))) - bits + 1, least);
  // The logarithm may be off by one place: then there is a bit too many, or too few.
  for (const place of [exponent - 1, exponent, exponent + 1]) {
    if (place < least) continue;
    const scaled = value * 2 ** -place;
    if (Math.abs(scaled) >= 2 ** bits) continue;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
    const nearest = (up ? floor + 1 : floor) * 2 ** place;
    return nearest === 0 && value < 0 ? -0 : nearest;
  }
  return value;
}

/** A format of 16 bits with so many of them for the exponent. */
function half(name: string, exponentBits: number): Format {
  const fractionBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const all = 2 ** exponentBits - 1;
  const least = 1 - bias - fractionBits;
  return {
    name,
    make: (length) => new Uint16Array(length),
    get(array, i) {
      const bits = array[i] as number;
      const sign = bits & 0x8000 ? -1 : 1;
      const exponent = (bits >> fractionBits) & all;
      const fraction = bits & (2 ** fractionBits - 1);
      if (exponent === all) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
      if (exponent === 0) return sign * fraction * 2 ** least;
      return sign * (2 ** fractionBits + fraction) * 2 ** (exponent - bias - fractionBits);
    },
    set(array, i, value) {
      const number = rounded(value as number, fractionBits + 1, least);
      const sign = number < 0 || Object.is(number, -0) ? 0x8000 : 0;
      const size = Math.abs(number);
      const infinite = all << fractionBits;
      let bits: number;
      if (Number.isNaN(size)) bits = infinite | (1 << (fractionBits - 1));
      else if (size >= 2 ** (bias + 1)) bits = infinite;
      else if (size < 2 ** (1 - bias)) bits = size / 2 ** least;
      else {
        let exponent = Math.floor(Math.log2(size));
        if (2 ** exponent > size) exponent--;
        if (2 ** (exponent + 1) <= size) exponent++;
        bits =
          ((exponent + bias) << fractionBits) +
          (size / 2 ** (exponent - fractionBits) - 2 ** fractionBits);
      }
      (array as Uint16Array)[i] = sign | bits;
    },
  };
}

export const BF16: Format = half('bfloat16', 8);
export const F16: Format = half('float16', 5);

const CLASSES = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
  Float32Array,
  Float64Array,
  ...('Float16Array' in globalThis
    ? [(globalThis as unknown as { Float16Array: typeof Float32Array }).Float16Array]
    : []),
];

export const FORMATS: readonly Format[] = CLASSES.map((Class) => ({
  name: Class.name,
  make: (length) => new Class(length),
  get: (array, i) => array[i],
  set: (array, i, value) => {
    // One NaN for all.
    (array as unknown as Value[])[i] = Number.isNaN(value) ? Number.NaN : value;
  },
}));

const less = (x: Value, y: Value) => x < y || (x === y && Object.is(x, -0));
const extreme = (least: boolean) => (x: Value, y: Value) => {
  for (const value of [x, y]) if (Number.isNaN(value)) return Number.NaN;
  return less(x, y) === least ? x : y;
};
const truth = (x: Value, value: boolean) => (typeof x === 'bigint' ? BigInt(value) : Number(value));

type Combine = (x: Value, y: Value) => Value;
const both = (big: (x: bigint, y: bigint) => bigint, small: (x: number, y: number) => number) =>
  ((x, y) =>
    typeof x === 'bigint' ? big(x, y as bigint) : small(x, y as number)) satisfies Combine;

const PLAIN: Record<string, Combine> = {
  SUM: both(
    (x, y) => x + y,
    (x, y) => x + y,
  ),
  PROD: both(
    (x, y) => x * y,
    (x, y) => x * y,
  ),
  MIN: extreme(true),
  MAX: extreme(false),
  BAND: both(
    (x, y) => x & y,
    (x, y) => x & y,
  ),
  BOR: both(
    (x, y) => x | y,
    (x, y) => x | y,
  ),
  BXOR: both(
    (x, y) => x ^ y,
    (x, y) => x ^ y,
  ),
  LAND: (x, y) => truth(x, Boolean(x) && Boolean(y)),
  LOR: (x, y) => truth(x, Boolean(x) || Boolean(y)),
  LXOR: (x, y) => truth(x, Boolean(x) !== Boolean(y)),
};

/** Of 32 bits a product may have more bits than a number has. */
function wrappedProduct(x: Value, y: Value): number {
  return Number(BigInt.asIntN(32, BigInt(x) * BigInt(y)));
}

/** x op y, element by element, or of MINLOC and MAXLOC pair by pair. */
export function combined(format: Format, op: string, x: Elements, y: Elements): Elements {
  const result = format.make(x.length);
  if (op.endsWith('LOC')) {
    for (let i = 0; i < x.length; i += 2) pairInto(format, result, i, op, x, y);
    return result;
  }
  const combine = op === 'PROD' && /int32/i.test(format.name) ? wrappedProduct : PLAIN[op];
  for (let i = 0; i < x.length; i++)
    format.set(result, i, combine(format.get(x, i), format.get(y, i)));
  return result;
}

function pairInto(
  { get, set }: Format,
  to: Elements,
  i: number,
  op: string,
  x: Elements,
  y: Elements,
): void {
  const best = PLAIN[op.slice(0, 3)](get(x, i), get(y, i));
  const indices = [x, y]
    .filter((one) => Object.is(get(one, i), best))
    .map((one) => get(one, i + 1));
  set(to, i, best);
  set(to, i + 1, Math.min(...(indices as number[])));
}

/** The left fold of all, in their order. */
export function folded(format: Format, op: string, all: readonly Elements[]): Elements {
  return all.reduce((soFar, next) => combined(format, op, soFar, next));
}

export const REDUCTIONS = [...Object.keys(PLAIN), 'MINLOC', 'MAXLOC'];

const isFloat = ({ name }: Format) => /float/i.test(name);

/** Whether the operation is for arrays of that format. */
export function takes(format: Format, op: string): boolean {
  if (op.endsWith('LOC')) return /^(Float64|Int32)Array$/.test(format.name);
  return !op.startsWith('B') || !isFloat(format);
}
