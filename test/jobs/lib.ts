/** What job programs share: contents that can be checked at the other end, and expectations. */
import assert from 'node:assert/strict';
import { type ErrorCode, MPI, MpiError } from '../../runtime/index.ts';

export { assert };

/** So many, or the share of it that DREG_TEST_SCALE says: a guest is slow. */
export const scaled = (count: number): number =>
  Math.ceil(count * Number(process.env.DREG_TEST_SCALE ?? 1));

/** xorshift32: the same numbers from the same seed, at every rank. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  }

  /** An integer of 0..2^32-1. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** An integer of 0..limit-1. */
  below(limit: number): number {
    return this.next() % limit;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)];
  }
}

/** Bytes that a seed decides. */
export function filled(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  fill(bytes, seed);
  return bytes;
}

export function fill(bytes: Uint8Array, seed: number): void {
  const random = new Random(seed);
  const { length } = bytes;
  for (let i = 0; i < length; i += 4) {
    const word = random.next();
    bytes[i] = word;
    if (i + 1 < length) bytes[i + 1] = word >>> 8;
    if (i + 2 < length) bytes[i + 2] = word >>> 16;
    if (i + 3 < length) bytes[i + 3] = word >>> 24;
  }
}

export function verify(bytes: Uint8Array, seed: number, what: string): void {
  const expected = filled(bytes.length, seed);
  if (Buffer.compare(bytes, expected) === 0) return;
  const at = bytes.findIndex((byte, i) => byte !== expected[i]);
  assert.fail(`${what}: byte ${at} of ${bytes.length} is ${bytes[at]}, not ${expected[at]}`);
}

const GUARD_BYTES = 64;
const GUARD = 0xa5;

/** A buffer with untouchable bytes on both sides. */
export class Guarded {
  readonly view: Uint8Array;
  readonly #memory: Uint8Array;

  constructor(length: number, shared = false, offset = 0) {
    const bytes = length + offset + 2 * GUARD_BYTES;
    this.#memory = new Uint8Array(shared ? MPI.allocate(bytes) : new ArrayBuffer(bytes));
    this.#memory.fill(GUARD);
    this.view = this.#memory.subarray(GUARD_BYTES + offset, GUARD_BYTES + offset + length);
  }

  /** Nothing was written beside the view. */
  check(what: string): void {
    const { byteOffset } = this.view;
    const start = byteOffset - this.#memory.byteOffset;
    for (const side of [
      this.#memory.subarray(0, start),
      this.#memory.subarray(start + this.view.length),
    ])
      assert(
        side.every((byte) => byte === GUARD),
        `${what}: memory beside the buffer was written`,
      );
  }

  /** Nothing was written into the view either. */
  checkUntouched(what: string): void {
    this.check(what);
    assert(
      this.view.every((byte) => byte === GUARD),
      `${what}: the buffer was written`,
    );
  }
}

export function throws(code: ErrorCode, action: () => unknown): MpiError {
  try {
    action();
  } catch (error) {
    return checkCode(code, error);
  }
  return assert.fail(`expected ${code}, but nothing failed`);
}

export async function rejects(code: ErrorCode, operation: PromiseLike<unknown>): Promise<MpiError> {
  try {
    await operation;
  } catch (error) {
    return checkCode(code, error);
  }
  return assert.fail(`expected ${code}, but nothing failed`);
}

function checkCode(code: ErrorCode, error: unknown): MpiError {
  if (!(error instanceof MpiError)) throw error;
  assert.equal(error.code, code, error.message);
  return error;
}

/** The last line of a program that checked everything. */
export function sayOk(): void {
  process.stdout.write(`rank ${MPI.world.rank} ok\n`);
}

export const pause = (milliseconds: number) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
