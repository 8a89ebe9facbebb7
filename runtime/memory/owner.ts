/** Tells the process that made an object from a forked child (rule R6). */

import { pagesAddon } from '../../native/pages.ts';
import { MpiError } from '../base/error.ts';

/** In `ownerWord()[0]` in the process that made it; a forked child reads 0 there. */
export const OWNED = 1;

let word: Int32Array | undefined;

/** A word that is OWNED here and 0 in every forked child: one load in place of a getpid. */
export function ownerWord(): Int32Array {
  if (word) return word;
  const page = pagesAddon().forkGuard();
  if (typeof page === 'number')
    throw new MpiError(
      'ERR_SYSTEM',
      'the page by which a process notices that it is a forked child cannot be made',
      {
        errno: -page,
        syscall: 'madvise',
      },
    );
  word = new Int32Array(page);
  word[0] = OWNED;
  return word;
}
