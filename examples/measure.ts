/**
 * How the examples measure time. A block is a short run of exchanges; the figure is the median over
 * many blocks, so that one in which the machine did something else does not count.
 */
import { MPI } from 'dreg-mpi';

/** Blocks measured for each figure; odd, so that one of them is the median. */
export const BLOCKS = 101;
/** Blocks before those, which do not count: until V8 has compiled what they run for good. */
const WARM_UP_BLOCKS = 150;
/** The same with --quick: one exchange in each. */
const QUICK_BLOCKS = 5;
const QUICK_WARM_UP_BLOCKS = 1;

/** Exchanges in a block: few enough that a block is short, many enough that reading the clock is free. */
export function roundsFor(bytes: number, quick: boolean): number {
  if (quick) return 1;
  if (bytes <= 8192) return 1000;
  if (bytes <= 65536) return 200;
  if (bytes <= 1048576) return 20;
  return 4;
}

/** Runs `rounds` exchanges with the other rank; a promise where the exchange awaits. */
export type Exchange = (rounds: number) => void | Promise<void>;

/** Nanoseconds of one exchange: the median over the blocks, and the least. */
export interface Timing {
  median: number;
  best: number;
}

/** Both ranks call this; rank 0's answer is the one to print. */
export async function measure(exchange: Exchange, rounds: number, quick: boolean): Promise<Timing> {
  const samples = new Float64Array(quick ? QUICK_BLOCKS : BLOCKS);
  const warmUp = quick ? QUICK_WARM_UP_BLOCKS : WARM_UP_BLOCKS;
  for (let block = -warmUp; block < samples.length; block++) {
    // Nobody starts the clock before the other one is there.
    MPI.world.barrierSync();
    const started = performance.now();
    const pending = exchange(rounds);
    if (pending !== undefined) await pending;
    const milliseconds = performance.now() - started;
    if (block >= 0) samples[block] = (milliseconds * 1e6) / rounds;
  }
  samples.sort();
  return { median: quantile(samples, 0.5), best: samples[0] };
}

/** The value below which `part` of the sorted samples lie. */
export function quantile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/** A buffer for messages: Node's own memory, or memory that all ranks of this machine share. */
export function makeBuffer(bytes: number, allocate: boolean): Uint8Array {
  const buffer = allocate ? new Uint8Array(MPI.allocate(bytes)) : new Uint8Array(bytes);
  // A page of memory exists once it was written to.
  return buffer.fill(1);
}
