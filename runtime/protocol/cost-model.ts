/**
 * Which way a large message goes: copied through the transport's buffers, or fetched by the receiver
 * from the sender's memory, or both. Machines differ too much to guess, so the receiver measures each way for
 * each size and each peer, on the messages themselves, and keeps to the best one.
 */

import { SHARED_COPY_MIN } from './shared-copy.ts';

/** 'share': the receiver fetches one part while the sender writes the other to its memory. */
export type Way = 'copy' | 'get' | 'share';

const WAYS: readonly Way[] = ['copy', 'share', 'get'];
const ONE_SIDED: readonly Way[] = ['copy', 'get'];

/** Messages that each way gets, in turn, before there is a verdict. */
export const TRIALS = 3;
/** After this many messages of a size a loser is tried once more: a machine's state changes. */
export const RETRIAL_INTERVAL = 512;

/** DREG_SINGLE_COPY: 'auto' (measured), 'always', 'never'. */
export type Preference = 'auto' | 'always' | 'never';

class SizeClass {
  /** The least time of a byte seen, in nanoseconds; drifts up so that an old best fades. */
  readonly #best = new Map<Way, number>();
  readonly #trials = new Map<Way, number>();
  #messages = 0;

  choose(ways: readonly Way[]): Way {
    this.#messages++;
    for (const way of ways) if ((this.#trials.get(way) ?? 0) < TRIALS) return way;
    const ranking = [...ways].sort((a, b) => this.#cost(a) - this.#cost(b));
    const retrial = Math.floor(this.#messages / RETRIAL_INTERVAL);
    if (this.#messages % RETRIAL_INTERVAL !== 0) return ranking[0];
    return ranking[1 + (retrial % (ranking.length - 1))];
  }

  #cost(way: Way): number {
    return this.#best.get(way) ?? Number.POSITIVE_INFINITY;
  }

  record(way: Way, nanosecondsPerByte: number): void {
    this.#trials.set(way, (this.#trials.get(way) ?? 0) + 1);
    // Minimum with a slow forgetting: one preempted message must not decide, nor one lucky one for ever.
    this.#best.set(way, Math.min(nanosecondsPerByte, this.#cost(way) * 1.01));
  }
}

/** Lengths between two powers of two are of one class. */
export function sizeClass(length: number): number {
  return Math.min(63, Math.floor(Math.log2(length)));
}

export class CostModel {
  readonly #preference: Preference;
  readonly #classes: SizeClass[] = Array.from({ length: 64 }, () => new SizeClass());

  constructor(preference: Preference) {
    this.#preference = preference;
  }

  choose(length: number): Way {
    if (this.#preference !== 'auto') return this.#preference === 'always' ? 'get' : 'copy';
    return this.#classOf(length).choose(length >= SHARED_COPY_MIN ? WAYS : ONE_SIDED);
  }

  record(way: Way, length: number, nanoseconds: number): void {
    this.#classOf(length).record(way, nanoseconds / length);
  }

  #classOf(length: number): SizeClass {
    return this.#classes[sizeClass(length)];
  }
}
