/** The digits of the folder beside this file, and chance that is the same on every run. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { PIXELS } from './network.ts';

/** Seen from dist/examples. */
const FILE = new URL('../../examples/digits/digits.csv.gz', import.meta.url);

/** Numbers from 0 to 1 that look like chance, the same on every run (Marsaglia's xorshift32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export function readDigits() {
  const lines = gunzipSync(readFileSync(FILE)).toString().trim().split('\n');
  const digits = lines.map((line) => Float32Array.from(line.split(','), Number));
  return {
    images: digits.map((digit) => digit.subarray(0, PIXELS).map((pixel) => pixel / 16)),
    labels: digits.map((digit) => digit[PIXELS]),
  };
}
