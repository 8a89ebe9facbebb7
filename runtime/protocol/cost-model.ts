/**
 * Which way a large message goes: copied through the transport's buffers, or fetched by the receiver
 * from the sender's memory. Machines differ too much to guess, so the receiver measures both ways for
 * each size and each peer, on the messages themselves, and keeps to the better one.
 */

export type Way = 'copy' | 'get';

/** Messages that each way gets, in turn, before there is a verdict. */
export const TRIALS = 3;
/** After this many messages of a size the loser is tried once more: a machine's state changes. */
export const RETRIAL_INTERVAL = 512;

/** DREG_SINGLE_COPY: 'auto' (measured), 'always', 'never'. */
export type Preference = 'auto' | 'always' | 'never';

class SizeClass {
  /** The least time of a byte seen, in nanoseconds; drifts up so that an old best fades. */
  readonly best: Record<Way, number> = {
    copy: Number.POSITIVE_INFINITY,
    get: Number.POSITIVE_INFINITY,
  };
  readonly trials: Record<Way, number> = { copy: 0, get: 0 };
  messages = 0;

  choose(): Way {
    this.messages++;
    if (this.trials.copy < TRIALS || this.trials.get < TRIALS)
      return this.trials.copy <= this.trials.get ? 'copy' : 'get';
    const winner: Way = this.best.copy <= this.best.get ? 'copy' : 'get';
    if (this.messages % RETRIAL_INTERVAL !== 0) return winner;
    return winner === 'copy' ? 'get' : 'copy';
  }

  record(way: Way, nanosecondsPerByte: number): void {
    this.trials[way]++;
    // Minimum with a slow forgetting: one preempted message must not decide, nor one lucky one for ever.
    this.best[way] = Math.min(nanosecondsPerByte, this.best[way] * 1.01);
  }
}

export class CostModel {
  readonly #preference: Preference;
  readonly #classes: SizeClass[] = Array.from({ length: 64 }, () => new SizeClass());

  constructor(preference: Preference) {
    this.#preference = preference;
  }

  choose(length: number): Way {
    if (this.#preference !== 'auto') return this.#preference === 'always' ? 'get' : 'copy';
    return this.#classOf(length).choose();
  }

  record(way: Way, length: number, nanoseconds: number): void {
    this.#classOf(length).record(way, nanoseconds / length);
  }

  #classOf(length: number): SizeClass {
    return this.#classes[Math.min(63, Math.floor(Math.log2(length)))];
  }
}
