/**
 * Which way a large message goes: copied through the transport's buffers, fetched by the receiver
 * from the sender's memory, written by the sender to the receiver's, or both. Machines differ too
 * much to guess, so the receiver measures each way for each transport and size, on the messages
 * themselves, and keeps to the best one.
 */
import type { OneSidedWay } from '../../transports/transport.ts';

/** How a large message goes. */
export type Way = 'copy' | OneSidedWay;

/** Messages that each way gets, in turn, before there is a verdict. */
export const TRIALS = 3;
/** After this many messages of a size a loser is tried once more: a machine's state changes. */
export const RETRIAL_INTERVAL = 512;

/** DREG_SINGLE_COPY: 'auto' (measured), 'always', 'never'. */
export type Preference = 'auto' | 'always' | 'never';
/** DREG_RNDV: 'auto' (measured), or this way wherever a transport has it. */
export const RENDEZVOUS_PREFERENCES = ['auto', 'get', 'put', 'copy'] as const;
export type RendezvousPreference = (typeof RENDEZVOUS_PREFERENCES)[number];

/** Once there is a verdict, one message in so many is timed: the clock costs as much as a small copy. */
export const TIMED_INTERVAL = 16;

class SizeClass {
  /** The least time of a byte seen, in nanoseconds; drifts up so that an old best fades. */
  readonly #least = new Map<Way, number>();
  readonly #trials = new Map<Way, number>();
  /** The verdict, until something is recorded. */
  #best: Way | null = null;
  #messages = 0;
  /** Whether the message that was given a way last is to be timed. */
  timed = true;

  choose(ways: readonly Way[]): Way {
    const messages = ++this.#messages;
    if (this.#best === null) {
      this.timed = true;
      const untried = this.#untried(ways);
      if (untried !== undefined) return untried;
      this.#best = this.#ranking(ways)[0];
    }
    this.timed = messages % TIMED_INTERVAL === 0;
    if (messages % RETRIAL_INTERVAL !== 0) return this.#best;
    const retrial = messages / RETRIAL_INTERVAL;
    return this.#ranking(ways)[1 + (retrial % (ways.length - 1))];
  }

  /** Counted when it begins: of many messages under way at once each way gets its part. */
  #untried(ways: readonly Way[]): Way | undefined {
    const way = ways.find((one) => (this.#trials.get(one) ?? 0) < TRIALS);
    if (way !== undefined) this.#trials.set(way, (this.#trials.get(way) ?? 0) + 1);
    return way;
  }

  #ranking(ways: readonly Way[]): Way[] {
    return [...ways].sort((a, b) => this.#cost(a) - this.#cost(b));
  }

  #cost(way: Way): number {
    return this.#least.get(way) ?? Number.POSITIVE_INFINITY;
  }

  record(way: Way, nanosecondsPerByte: number): void {
    // Minimum with a slow forgetting: one preempted message must not decide, nor one lucky one for ever.
    this.#least.set(way, Math.min(nanosecondsPerByte, this.#cost(way) * 1.01));
    this.#best = null;
  }
}

/** Lengths between two powers of two are of one class. */
export function sizeClass(length: number): number {
  return length < 1 ? 0 : Math.min(63, Math.floor(Math.log2(length)));
}

/** The verdicts for peers that are reached in the same way. */
export class CostModel {
  readonly #classes: (SizeClass | undefined)[] = [];
  /** Whether the message that was given a way last is to be recorded. */
  timed = false;

  /** The way that the next message of this length goes, of those that it can go. */
  choose(length: number, ways: readonly Way[]): Way {
    if (ways.length === 1) {
      this.timed = false;
      return ways[0];
    }
    const ofSize = this.#classOf(length);
    const way = ofSize.choose(ways);
    this.timed = ofSize.timed;
    return way;
  }

  /**
   * What a message took.
   * @param ahead bytes that were there before the clock started; of a copy they are a part, which the
   *   sender had written already
   */
  record(way: Way, length: number, nanoseconds: number, ahead = 0): void {
    const whole = way === 'copy' ? nanoseconds * (1 + ahead / length) : nanoseconds;
    this.#classOf(length).record(way, whole / length);
  }

  #classOf(length: number): SizeClass {
    const index = sizeClass(length);
    this.#classes[index] ??= new SizeClass();
    return this.#classes[index];
  }
}
