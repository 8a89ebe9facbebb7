/** The digits of the folder beside this file. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { PIXELS } from './network.ts';

/** Seen from dist/examples. */
const FILE = new URL('../../examples/digits/digits.csv.gz', import.meta.url);

/** Pixels from 0 to 1, and which digit it is. */
export function readDigits() {
  const lines = gunzipSync(readFileSync(FILE)).toString().trim().split('\n');
  const digits = lines.map((line) => Float32Array.from(line.split(','), Number));
  return {
    images: digits.map((digit) => digit.subarray(0, PIXELS).map((pixel) => pixel / 16)),
    labels: digits.map((digit) => digit[PIXELS]),
  };
}
