/**
 * Loops in JavaScript, for arrays so short that a call into the addon would cost more. Each is a function
 * of its own text, so that V8 sees one type of array and one operation in it: a body that all share would
 * be several times slower. Its bits are those of the kernels (native/reduce_kernels.h).
 */
import { OPERATIONS } from '../../../../native/reduce.ts';
import type { Elements } from '../../datatype/data.ts';
import type { Kind } from './kinds.ts';

/** out[outAt + i] = a[aAt + i] op b[bAt + i], for each of `count` elements; `out` may be `a` or `b`. */
export type Loop = (
  out: Elements,
  outAt: number,
  a: Elements,
  aAt: number,
  b: Elements,
  bAt: number,
  count: number,
) => void;

/** What is computed of x and y; storing it makes it wrap, or stop, as the array does. */
const EXPRESSIONS: Record<string, (kind: Kind) => string> = {
  SUM: (kind) => wrapped('x + y', kind),
  PROD: (kind) =>
    kind.float || kind.big || kind.clamped ? wrapped('x * y', kind) : 'Math.imul(x, y)',
  // Math.min knows NaN, and which zero is less.
  MIN: ({ float }) => (float ? 'Math.min(x, y)' : 'x < y ? x : y'),
  MAX: ({ float }) => (float ? 'Math.max(x, y)' : 'x > y ? x : y'),
  BAND: () => 'x & y',
  BOR: () => 'x | y',
  BXOR: () => 'x ^ y',
  LAND: (kind) => truth('x && y', kind),
  LOR: (kind) => truth('x || y', kind),
  LXOR: (kind) => truth('!x !== !y', kind),
};

function wrapped(sum: string, { big, signed }: Kind): string {
  return big ? `BigInt.${signed ? 'asIntN' : 'asUintN'}(64, ${sum})` : sum;
}

function truth(condition: string, { big }: Kind): string {
  return big ? `(${condition}) ? 1n : 0n` : `(${condition}) ? 1 : 0`;
}

/** Which NaN comes of a computation is not said anywhere; the constant is always the same. */
function unified(value: string, { float }: Kind): string {
  return float ? `const z = ${value}; const r = z === z ? z : NaN;` : `const r = ${value};`;
}

const HEAD = '"use strict"; return function (out, outAt, a, aAt, b, bAt, count) {';

function elementwise(expression: string, kind: Kind): string {
  return `${HEAD} for (let i = 0; i < count; i++) {
    const x = a[aAt + i], y = b[bAt + i];
    ${unified(expression, kind)}
    out[outAt + i] = r;
  } }`;
}

/** Pairs of a value and its index. */
function pairwise(extreme: string, kind: Kind): string {
  return `${HEAD} for (let i = 0; i < count; i += 2) {
    const x = a[aAt + i], y = b[bAt + i], m = a[aAt + i + 1], n = b[bAt + i + 1];
    ${unified(extreme, kind)}
    const isX = Object.is(r, x), isY = Object.is(r, y);
    const index = isX && isY ? Math.min(m, n) : isX ? m : n;
    out[outAt + i] = r;
    out[outAt + i + 1] = index === index ? index : NaN;
  } }`;
}

function textOf(operation: number, kind: Kind): string {
  const name = OPERATIONS[operation];
  if (name === 'MINLOC' || name === 'MAXLOC')
    return pairwise(EXPRESSIONS[name.slice(0, 3)](kind), kind);
  return elementwise(EXPRESSIONS[name](kind), kind);
}

/** Null where Node forbids code made from text (--disallow-code-generation-from-strings). */
function compiled<Made>(text: string, argument?: unknown): Made | null {
  try {
    return new Function('combine', text)(argument) as Made;
  } catch (error) {
    if (error instanceof EvalError) return null;
    throw error;
  }
}

/** Null where there is none: the addon is always right. */
export function makeLoop(operation: number, kind: Kind): Loop | null {
  // Elements of 16 bits that JavaScript does not compute with.
  if (kind.float && kind.bytes === 2) return null;
  return compiled(textOf(operation, kind));
}

/** Texts that are the same share what V8 knows of them. */
let serial = 0;

/** Of a program's function of two elements. */
export function makeUserLoop(combine: (x: never, y: never) => unknown): Loop {
  const text = `/* ${serial++} */ ${HEAD} for (let i = 0; i < count; i++)
    out[outAt + i] = combine(a[aAt + i], b[bAt + i]); }`;
  return compiled(text, combine) ?? sharedLoop(combine as (x: unknown, y: unknown) => unknown);
}

function sharedLoop(combine: (x: unknown, y: unknown) => unknown): Loop {
  return (out, outAt, a, aAt, b, bAt, count) => {
    const to = out as unknown as unknown[];
    for (let i = 0; i < count; i++) to[outAt + i] = combine(a[aAt + i], b[bAt + i]);
  };
}
