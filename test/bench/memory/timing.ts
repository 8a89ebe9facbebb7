/** Small measurements: the least of several rounds, so that the machine's other work stays out. */

const ROUNDS = 9;
const WARM_UPS = 3;

/**
 * Nanoseconds of processor time of one of `count` repetitions that `run` makes. Not of the clock:
 * these are loops of many milliseconds, in which the machine does other things as well.
 */
export function nanoseconds(count: number, run: (count: number) => void, rounds = ROUNDS): number {
  for (let i = 0; i < WARM_UPS; i++) run(count);
  let least = Infinity;
  for (let i = 0; i < rounds; i++) {
    const started = process.cpuUsage();
    run(count);
    const { user, system } = process.cpuUsage(started);
    least = Math.min(least, ((user + system) * 1000) / count);
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

export function show({ what, value, unit, most }: Line): string {
  const figure = value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
  const aim =
    most === undefined ? '' : `   at most ${most} ${unit}: ${value <= most ? 'kept' : 'MISSED'}`;
  return `  ${what.padEnd(52)} ${figure.padStart(9)} ${unit}${aim}`;
}
