/** What all monitors have in common: the shared layout of kernel/dreg.h as typed arrays. */
import { SHARED } from '../../../native/dreg.ts';
import { MpiError } from '../../base/error.ts';

/** Slots of a monitor unless the program asks for another number. */
export const SLOTS_DEFAULT = 4096;

export interface Layout {
  readonly header: Int32Array;
  readonly flags: Uint8Array;
  readonly ring: Uint32Array;
}

/** The parts of a mapped struct dreg_shared. */
export function layoutOf(area: ArrayBuffer): Layout {
  const header = new Int32Array(area, 0, SHARED.words);
  const slots = header[SHARED.slots];
  return {
    header,
    flags: new Uint8Array(area, header[SHARED.flagOffset], slots),
    ring: new Uint32Array(area, header[SHARED.ringOffset], slots),
  };
}

/** A layout that nobody writes, for monitors which watch nothing. */
export function quietLayout(slots: number): Layout {
  return {
    header: new Int32Array(SHARED.words),
    flags: new Uint8Array(slots),
    ring: new Uint32Array(slots),
  };
}

/** @throws MpiError ERR_ARG unless `slots` is a power of two from 1 to `most`. */
export function checkSlots(slots: number, most: number): void {
  if (Number.isInteger(slots) && slots >= 1 && slots <= most && (slots & (slots - 1)) === 0) return;
  throw new MpiError('ERR_ARG', `slots is ${slots}; it must be a power of two from 1 to ${most}`);
}
