/** Whole numbers of 32 bits that look like chance, the same on every run (Marsaglia's xorshift32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
