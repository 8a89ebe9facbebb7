/**
 * A packet's header in a cell, as Int32 indices. A constant each, and no object: the bundle then has their
 * values in place, and the hot paths are short enough for V8 to inline them as a whole.
 */
export const extension = 19;
/** How many cells of the other direction's ring the sender has taken. */
export const acknowledged = 27;
export const kindContext = 28;
export const tag = 29;
export const length = 30;
/** Written last and read first. */
export const sequence = 31;
