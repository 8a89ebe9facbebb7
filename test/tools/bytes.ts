/** Contents that a seed decides, so that they can be checked at the other end. */
import assert from 'node:assert/strict';
import { Random } from './random.ts';

/** A prime, so that no two pages, segments or chunks of what is cut from it are the same. */
const POOL_BYTES = 1_048_583;
let pool: Buffer | undefined;

/** Where a message begins in the pool. */
const START = 8191;

function makePool(): Buffer {
  const random = new Random(1);
  return Buffer.from(
    Uint32Array.from({ length: Math.ceil(POOL_BYTES / 4) }, () => random.next()).buffer,
    0,
    POOL_BYTES,
  );
}

/** Bytes that a seed decides. */
export function filled(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  fill(bytes, seed);
  return bytes;
}

export function fill(bytes: Uint8Array, seed: number): void {
  pool ??= makePool();
  let from = Math.imul(seed + 1, START) >>> 0;
  from %= POOL_BYTES;
  for (let at = 0; at < bytes.length; from = 0) {
    const part = pool.subarray(from, from + bytes.length - at);
    bytes.set(part, at);
    at += part.length;
  }
}

export function verify(bytes: Uint8Array, seed: number, what: string): void {
  const expected = filled(bytes.length, seed);
  if (Buffer.compare(bytes, expected) === 0) return;
  const at = bytes.findIndex((byte, i) => byte !== expected[i]);
  assert.fail(`${what}: byte ${at} of ${bytes.length} is ${bytes[at]}, not ${expected[at]}`);
}
