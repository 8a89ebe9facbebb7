import { addon } from '../native/addon.ts';

/**
 * What this processor keeps in order by itself. Where it does not, an Atomics call keeps the order. Where
 * it does, that call would only cost time (about 8 ns, because V8 calls a builtin). V8 itself never
 * reorders accesses of two typed arrays. All places that rely on an order: docs/internals/memory-order.md.
 */
const X86 = process.arch === 'x64' || process.arch === 'ia32';

/** An atomic store is a full barrier: a plain access after it stays after it. Elsewhere `fullFence` makes it one. */
export const STORE_IS_BARRIER = X86;

/** Loads stay in order: what is read after a word was seen is at least as new as the word. */
export const LOADS_IN_ORDER = X86;

/** Stands between accesses that must keep their order, and of which some are plain; for what is not hot. */
export const fence: () => void = X86 ? () => {} : () => addon().fullFence();

/** Follows the plain load that has found a word written: what is read from here on is at least as new. */
export const acquire: (words: Int32Array, at: number) => void = LOADS_IN_ORDER
  ? () => {}
  : (words, at) => void Atomics.load(words, at);
