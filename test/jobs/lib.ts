/** What job programs share: contents that can be checked at the other end, and expectations. */
import assert from 'node:assert/strict';
import { type ErrorCode, MPI, MpiError } from '../../runtime/index.ts';

export { fill, filled, verify } from '../tools/bytes.ts';
export { Random } from '../tools/random.ts';
export { assert };

/** So many, or the share of it that DREG_TEST_SCALE says: a guest is slow. */
export const scaled = (count: number): number =>
  Math.ceil(count * Number(process.env.DREG_TEST_SCALE ?? 1));

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

/** The last line of a program of its own that checked everything. */
export function sayOk(): void {
  process.stdout.write(`rank ${MPI.world.rank} ok\n`);
}

export const pause = (milliseconds: number) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
