/** Small measurements: the least of several rounds, so that the machine's other work stays out. */

/** Rounds of the loops whose least counts. */
export const LEAST_OF = 15;
const WARM_UPS = 3;

/**
 * Nanoseconds of processor time of one of `count` repetitions that each of `runs` makes. Not of the
 * clock: these are loops of many milliseconds, in which the machine does other things as well. In
 * turn, round by round: what disturbs one of them for a second disturbs no figure.
 */
export function nanoseconds(count: number, ...runs: ((count: number) => void)[]): number[] {
  for (let i = 0; i < WARM_UPS; i++) for (const run of runs) run(count);
  const least = runs.map(() => Infinity);
  for (let round = 0; round < LEAST_OF; round++)
    for (const [i, run] of runs.entries()) {
      const started = process.cpuUsage();
      run(count);
      const { user, system } = process.cpuUsage(started);
      least[i] = Math.min(least[i], ((user + system) * 1000) / count);
    }
  return least;
}

/**
 * Runs several things in turn, round by round; the median nanoseconds of each, of the rounds after
 * the first `warmUps`.
 */
export function inTurn(rounds: number, runs: (() => void)[], warmUps = WARM_UPS): number[] {
  const samples = runs.map(() => [] as number[]);
  for (let round = 0; round < rounds + warmUps; round++)
    for (const [i, run] of runs.entries()) {
      const started = process.hrtime.bigint();
      run();
      if (round >= warmUps) samples[i].push(Number(process.hrtime.bigint() - started));
    }
  return samples.map(median);
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export interface Line {
  what: string;
  value: number;
  unit: string;
  /** What it should be at most. */
  most?: number;
}

export function isMissed({ value, most }: Line): boolean {
  return most !== undefined && value > most;
}

export function show(line: Line): string {
  const { what, value, unit, most } = line;
  const figure = value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
  const aim =
    most === undefined ? '' : `   at most ${most} ${unit}: ${isMissed(line) ? 'MISSED' : 'kept'}`;
  return `  ${what.padEnd(52)} ${figure.padStart(9)} ${unit}${aim}`;
}
