/** Figures that were measured again and again: what is typical, and how far they lie apart. */

export interface Spread {
  median: number;
  least: number;
  most: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param values at least one */
export function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/**
 * Whether the floor stayed where it was while something was measured.
 * @param tolerance by which part the highest may exceed the lowest
 */
export function floorHeld(floors: readonly number[], tolerance: number): boolean {
  return Math.max(...floors) <= Math.min(...floors) * (1 + tolerance);
}
