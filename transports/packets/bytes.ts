/** Copies between a program's memory and a packet's slot. */
import { addon } from '../../native/addon.ts';

/** Up to here a loop is faster than a call. */
const LOOP_BYTES = 64;

/** Copies from[at, at + length) to to[toAt, …). The caller has checked both ranges. */
export function copyBytes(
  to: Uint8Array,
  toAt: number,
  from: Uint8Array,
  at: number,
  length: number,
): void {
  if (length <= LOOP_BYTES) for (let i = 0; i < length; i++) to[toAt + i] = from[at + i];
  else addon().copy(to, toAt, from, at, length);
}
