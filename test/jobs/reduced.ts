/** What jobs of reductions share: what each rank gives, and what must come of it. */
import assert from 'node:assert/strict';
import {
  BAND,
  BOR,
  BXOR,
  bf16,
  type Elements,
  f16,
  LAND,
  LOR,
  LXOR,
  MAX,
  MAXLOC,
  MIN,
  MINLOC,
  type MpiError,
  Op,
  PROD,
  SUM,
} from '../../runtime/index.ts';
import { forgetOverrides } from '../../runtime/mpi/collective/select.ts';
import { Random } from '../tools/random.ts';
import { BF16, combined, F16, FORMATS, type Format, REDUCTIONS, takes } from '../tools/reduced.ts';
import { rank, size, world } from './ring.ts';

/** Any array: which it may combine, the compiler cannot know here. */
export type AnyOp = Op<never> & Op<Elements>;

const OPS = { SUM, PROD, MIN, MAX, BAND, BOR, BXOR, LAND, LOR, LXOR, MINLOC, MAXLOC } as Record<
  string,
  unknown
> as Record<string, AnyOp>;

export interface Case {
  name: string;
  format: Format;
  op: AnyOp;
  /** As the plain reference calls it. */
  plain: string;
}

export const F64: Format = FORMATS.find(({ name }) => name === 'Float64Array')!;
export const I32: Format = FORMATS.find(({ name }) => name === 'Int32Array')!;

/** Each operation on each type. */
export const CASES: readonly Case[] = [...FORMATS, BF16, F16].flatMap((format) =>
  REDUCTIONS.filter((plain) => takes(format, plain)).flatMap((plain) => {
    const op = OPS[plain];
    const name = `${plain} of ${format.name}`;
    if (format !== BF16 && format !== F16) return [{ name, format, op, plain }];
    return plain.endsWith('LOC')
      ? []
      : [{ name, format, plain, op: (format === BF16 ? bf16(op) : f16(op)) as AnyOp }];
  }),
);

/** By what they are of: the same arrays are asked for again and again. */
const known = new Map<string, Elements>();

function once(key: string, make: () => Elements): Elements {
  const made = known.get(key) ?? make();
  known.set(key, made);
  return made.slice() as Elements;
}

/** What a rank gives: values that do not add up alike in every order, and some special ones. */
export function operand(format: Format, rank: number, length: number): Elements {
  return once(`${format.name} ${rank} ${length}`, () => newOperand(format, rank, length));
}

function newOperand(format: Format, rank: number, length: number): Elements {
  const random = new Random(rank * 1000 + length);
  const array = format.make(length);
  const float = /float/i.test(format.name);
  const special = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e-7];
  for (let i = 0; i < length; i++) {
    let value = random.below(200) - (/Uint/.test(format.name) && !float ? 0 : 100);
    if (float) value = random.chance(0.05) ? random.pick(special) : value / 7;
    format.set(array, i, /Big/.test(format.name) ? BigInt(value) * 10n ** 16n : value);
  }
  return array;
}

/** What the first so many ranks give, combined in their order. */
export function reducedTo(format: Format, plain: string, length: number, ranks = size): Elements {
  const last = operand(format, ranks - 1, length);
  if (ranks === 1) return last;
  return once(`${plain} of ${format.name} ${ranks} ${length}`, () =>
    combined(format, plain, reducedTo(format, plain, length, ranks - 1), last),
  );
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  Buffer.from(buffer, byteOffset, byteLength);

/** The same in every bit. */
export function same(got: Elements | null, wanted: Elements, what: string): void {
  assert(got !== null, what);
  assert.equal(got.length, wanted.length, what);
  if (!bytesOf(got).equals(bytesOf(wanted)))
    assert.fail(`${what}: ${[...got].slice(0, 20)} instead of ${[...wanted].slice(0, 20)}`);
}

/** Elements on both sides of each threshold. */
export const LENGTHS = [0, 1, 16, 255, 1025, 4097, 9001];

/** Runs with each algorithm of an operation, and with the one that is chosen. */
export async function withEach(
  operation: string,
  algorithms: readonly string[],
  run: (name: string) => void | Promise<void>,
): Promise<void> {
  const variable = `DREG_COLL_${operation}`;
  try {
    for (const name of ['', ...algorithms]) {
      process.env[variable] = name;
      forgetOverrides();
      await run(name);
    }
  } finally {
    delete process.env[variable];
    forgetOverrides();
  }
}

/**
 * A program's operation that throws at one rank is an error at all, by any algorithm, and the next call goes on.
 * @param call with elements of as many blocks as there are ranks
 */
export async function failsAtAll(
  operation: string,
  algorithms: readonly string[],
  call: (data: Float64Array, op: Op<Float64Array>) => PromiseLike<unknown>,
): Promise<void> {
  if (size === 1) return;
  for (const [at, length] of [
    [0, 2],
    [size - 1, 1000],
  ]) {
    let thrown = 0;
    const throwing = (x: number, y: number) => {
      if (rank !== at) return x + y;
      thrown = 1;
      throw new RangeError('no such number');
    };
    const whole = (incoming: Float64Array, inout: Float64Array) => {
      for (const i of inout.keys()) inout[i] = throwing(incoming[i], inout[i]);
    };
    const ops = [Op.each(throwing, { name: 'fails' }), Op.of(whole, { name: 'fails' })];
    await withEach(operation, algorithms, async (name) => {
      for (const op of ops) {
        thrown = 0;
        const error = await call(new Float64Array(length * size), op).then(
          () => null,
          (failure) => failure,
        );
        // Where the rank combines nothing, it has nothing to throw at.
        const wanted = world.allreduceSync(thrown, SUM) * size;
        const heard = world.allreduceSync(error === null ? 0 : 1, SUM);
        assert.equal(heard, wanted, `${name}, ${length}: ranks that have heard of it`);
        if (error !== null) checkFailure(error, at);
      }
    });
  }
  assert.equal(world.allreduceSync(1, SUM), size);
}

function checkFailure(error: MpiError, at: number): void {
  assert.equal(error.code, 'ERR_OP', error.message);
  if (rank === at) assert(error.cause instanceof RangeError);
  else assert.equal(error.peer, at);
}

export const averaged = (sum: Elements, ranks: number): Elements => {
  const average = sum.slice() as Float64Array;
  return average.map((value) => value / ranks);
};
