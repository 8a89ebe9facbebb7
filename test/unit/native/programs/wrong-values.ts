/**
 * Every function and class that the addon exports, called with values of every kind that it does not
 * take: first before any library is loaded, then after. Its arguments: `[seed] [calls of each]`.
 * Prints how many calls were made, last `through`.
 */
import { openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { runInNewContext } from 'node:vm';
import { addon } from '../../../../native/addon.ts';
import { mapping } from '../../../../native/mapping.ts';
import { FEATURE, USER_MODE_ONLY, userfaultfd } from '../../../../native/userfaultfd.ts';
import { Random } from '../../../tools/random.ts';

const [seed = '1', calls = '150'] = process.argv.slice(2);
const random = new Random(Number(seed));
const pick = <T>(from: readonly T[]): T => random.pick(from);

// What is made by its name goes nowhere where it could stay.
process.chdir(tmpdir());

/**
 * Of integers that could be a descriptor, an address or a process, only those that are none: a call
 * may do what it is told.
 */
const BAD_NUMBERS = [
  -1,
  -(2 ** 31),
  0.5,
  2 ** 47 + 2 ** 31,
  2 ** 53,
  2 ** 63,
  1e308,
  -1e308,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];
/** None of them is long to wait for. */
const SMALL_NUMBERS = [0, -0, 1, 2, 7, 8];

function detached(): Uint8Array {
  const view = new Uint8Array(64);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

function shrunk(): Uint8Array {
  // TypeScript's library has resizable buffers later.
  const Resizable = ArrayBuffer as unknown as new (
    length: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer & { resize(length: number): void };
  const buffer = new Resizable(64, { maxByteLength: 128 });
  const view = new Uint8Array(buffer, 32, 32);
  buffer.resize(16);
  return view;
}

/** A list whose elements fail when they are read. */
function trapped(): unknown[] {
  return Object.defineProperty([0, 0], 1, {
    get() {
      throw new Error('an element that cannot be read');
    },
  });
}

const owner = mapping().ownFd(openSync('/dev/null', 'r'));
const uffd = userfaultfd().userfaultfdOpen(USER_MODE_ONLY);
userfaultfd().userfaultfdApi(uffd, FEATURE.wp);
const started = userfaultfd().userfaultfdStart(uffd, 8);
const HANDLES: unknown[] = [owner, typeof started === 'number' ? owner : started.reader];

const KINDS: readonly (() => unknown)[] = [
  () => pick(BAD_NUMBERS),
  () => pick(BAD_NUMBERS),
  () => undefined,
  () => null,
  () => random.chance(0.5),
  () => pick(['', 'x', '0', '\0', 'a\0b', '\ud800', 'no-such-thing', 'y'.repeat(70_000)]),
  () => pick([0n, 1n, -1n, 2n ** 64n]),
  () => Symbol('s'),
  () => pick([{}, { length: 4 }, { valueOf: () => 0 }, Object.create(null), /x/, new Date(0)]),
  () => pick([[], [0.5], [9999], ['x'], [undefined], [[]], new Array(1000), trapped()]),
  () => () => {},
  () => class {},
  () => new Proxy({}, {}),
  () => new Proxy(new Uint8Array(8), {}),
  () => runInNewContext('new Uint8Array(64)'),
  () => pick(HANDLES),
  () => Object.create(pick(HANDLES) as object),
  () => new Proxy(pick(HANDLES) as object, {}),
  () => new Uint8Array(pick([0, 1, 3, 64, 4096])),
  () => new Uint8Array(65).subarray(1),
  () => new Int32Array(pick([0, 1, 8, 9])).fill(pick([0, -1, 9999])),
  () => new Uint32Array(30).fill(pick([0, 2 ** 32 - 1])),
  () => new Float64Array(16).fill(pick(BAD_NUMBERS)),
  () => new BigInt64Array(4).fill(-1n),
  () => new DataView(new ArrayBuffer(9), 1),
  () => new ArrayBuffer(pick([0, 64])),
  () => new SharedArrayBuffer(64),
  () => new Uint8Array(new SharedArrayBuffer(64)),
  detached,
  () => detached().buffer,
  shrunk,
  () => shrunk().buffer,
];

/** A descriptor that a call may take or close: it is of nobody else. */
const spare = () => openSync('/dev/null', 'r+');

function argument(place: number): unknown {
  // Nobody's descriptor. As a time it would be long.
  if (place === 0 && random.chance(0.1)) return 9999;
  if (place === 0 && random.chance(0.3)) return spare();
  if (place > 0 && random.chance(0.3)) return pick(SMALL_NUMBERS);
  return pick(KINDS)();
}

let count = 0;
function attempt(call: (...words: unknown[]) => unknown): void {
  const words = Array.from({ length: random.below(9) }, (_, place) => argument(place));
  count += 1;
  try {
    call(...words);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}

type Callable = ((...words: unknown[]) => unknown) & (new (...words: unknown[]) => object);

/** A class says so by what its instances inherit. */
const methodsOf = (value: Callable) =>
  Object.getOwnPropertyNames(value.prototype ?? {}).filter((name) => name !== 'constructor');

function attemptAll(value: Callable): void {
  for (let i = 0; i < Number(calls); i++) attempt((...words) => value(...words));
  const methods = methodsOf(value);
  if (methods.length === 0) return;
  for (let i = 0; i < Number(calls); i++) attempt((...words) => new value(...words));
  for (const name of methods)
    for (const kind of KINDS)
      attempt((...words) => Reflect.apply(value.prototype[name], kind(), words));
}

const exported = Object.entries(addon()) as [string, Callable][];
const loads = ([name]: [string, unknown]) => name.endsWith('Load');
const passes = [exported.filter((entry) => !loads(entry)), exported.filter(loads), exported];
for (const pass of passes)
  for (const [name, value] of pass) {
    if (typeof value !== 'function') throw new Error(`what is ${name}?`);
    process.stderr.write(`${name}\n`);
    attemptAll(value);
  }
process.stdout.write(`${exported.length} exports, ${count} calls\nthrough\n`);
