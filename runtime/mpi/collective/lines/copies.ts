/** Copies between the program's memory and a block. */
import { addon } from '../../../../native/addon.ts';
import { isBytes, lengthOf } from '../../../base/bytes.ts';
import { MpiError } from '../../../base/error.ts';
import { type Payload, sizeOf } from '../../datatype/data.ts';

/** Up to this many bytes a loop beats a call into the addon. */
const LOOP_BYTES = 24;

/** Copies bytes [start, start + length) of a message to `to[at..]`. @throws MpiError ERR_BUFFER */
export function pack(
  payload: Payload,
  start: number,
  length: number,
  to: Uint8Array,
  at: number,
): void {
  if (!isBytes(payload)) {
    checkIntact(payload.intact);
    payload.pack(start, length, to, at);
  } else copy(to, at, payload, start, length);
}

/** Copies `from[at..]` to bytes [start, start + length) of a message. @throws MpiError ERR_BUFFER */
export function unpack(
  payload: Payload,
  start: number,
  length: number,
  from: Uint8Array,
  at: number,
): void {
  if (!isBytes(payload)) {
    checkIntact(payload.intact);
    payload.unpack(start, length, from, at);
  } else copy(payload, start, from, at, length);
}

/** @throws MpiError ERR_BUFFER where one is too short by now */
function copy(
  to: Uint8Array,
  toAt: number,
  from: Uint8Array,
  fromAt: number,
  length: number,
): void {
  if (length > LOOP_BYTES) {
    checkIntact(addon().copy(to, toAt, from, fromAt, length) >= 0);
    return;
  }
  checkIntact(lengthOf(to) >= toAt + length && lengthOf(from) >= fromAt + length);
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i];
}

/** @throws MpiError ERR_BUFFER */
export function checkIntact(intact: boolean): void {
  if (!intact)
    throw new MpiError(
      'ERR_BUFFER',
      'a buffer of a collective operation was detached or shrunk while the operation was under way',
    );
}

export function lengthOfPayload(payload: Payload | null): number {
  return payload === null ? 0 : sizeOf(payload);
}
