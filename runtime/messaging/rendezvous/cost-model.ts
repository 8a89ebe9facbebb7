/**
 * By which scheme a large message goes: copied through the transport's buffers, fetched by the receiver
 * from the sender's memory, written by the sender to the receiver's, or both. Machines differ too
 * much to guess, so the receiver measures each for each transport and size, on the messages
 * themselves, and keeps to the best one.
 */
import type { OneSidedScheme } from '../../../transports/transport.ts';

/** How a large message goes. */
export type RendezvousScheme = 'copy' | OneSidedScheme;

/** Messages of each scheme in a trial. The median of their costs counts: one that was interrupted must not decide. */
export const TRIALS = 5;
/** The first trial goes on until each scheme has taken so many milliseconds: code that V8 has not compiled is slow. */
export const TRIAL_MS = 8;
/** A scheme costs this much more than the best at its fastest: it will not win, once compiled, either. */
export const PROMISING = 1.5;
/** The others go on until they have taken so many milliseconds: the code of the best one may be the longest. */
export const PROMISING_MS = 40;
/** After this many messages of a size there is another trial: a machine's state changes. */
export const TRIAL_INTERVAL = 2048;

/** DREG_SINGLE_COPY: 'auto' (measured), 'always', 'never'. */
export type Preference = 'auto' | 'always' | 'never';
/** DREG_RNDV: 'auto' (measured), or this scheme wherever a transport has it. */
export const RENDEZVOUS_PREFERENCES = ['auto', 'get', 'put', 'copy'] as const;
export type RendezvousPreference = (typeof RENDEZVOUS_PREFERENCES)[number];

/** What messages of a size cost by one scheme, in nanoseconds a byte. */
class Experience {
  readonly scheme: RendezvousScheme;
  /** Of the last {@link TRIALS} messages, the oldest first. */
  readonly samples: number[] = [];
  /** Of its fastest message: what the scheme can do when nothing comes in between. */
  least = Number.POSITIVE_INFINITY;
  /** Messages begun in this trial. */
  trials = 0;
  /** Nanoseconds that all its messages in trials took. */
  spent = 0;

  constructor(scheme: RendezvousScheme) {
    this.scheme = scheme;
  }

  get cost(): number {
    const { samples } = this;
    if (samples.length === 0) return Number.POSITIVE_INFINITY;
    return samples.toSorted((a, b) => a - b)[samples.length >>> 1];
  }
}

class SizeClass {
  readonly #experiences = new Map<RendezvousScheme, Experience>();
  /** The verdict; null during a trial. */
  #best: RendezvousScheme | null = null;
  /** Messages until the next trial. */
  #left = 0;
  /** Whether the message that was given a scheme last is part of a trial. */
  timed = true;

  choose(schemes: readonly RendezvousScheme[]): RendezvousScheme {
    if (this.#best !== null) {
      this.timed = false;
      if (--this.#left > 0) return this.#best;
      this.#best = null;
      for (const experience of this.#experiences.values()) experience.trials = 0;
    }
    this.timed = true;
    const all = schemes.map((scheme) => this.#of(scheme));
    const next = this.#next(all);
    if (next !== undefined) {
      next.trials++;
      return next.scheme;
    }
    this.#left = TRIAL_INTERVAL;
    const best = all.reduce((a, b) => (b.cost < a.cost ? b : a)).scheme;
    this.#best = best;
    return best;
  }

  /**
   * Whose turn it is in a trial: messages are counted when they begin, so that of many under way at once
   * each scheme gets its part. Undefined: the trial has ended.
   */
  #next(all: Experience[]): Experience | undefined {
    const limit = Math.min(...all.map(({ least }) => least)) * PROMISING;
    const isOpen = ({ trials, spent, least }: Experience) =>
      trials < TRIALS || spent < (least <= limit ? PROMISING_MS : TRIAL_MS) * 1e6;
    const open = all.filter(isOpen);
    // With nothing to compare it with there is nothing to find out about one scheme.
    if (open.length < 2 && !open.some(({ trials }) => trials < TRIALS)) return undefined;
    // Several in a row: what comes along with an offer depends on how the last message went.
    const begun = open.find(({ trials }) => trials % TRIALS !== 0);
    return begun ?? open.reduce((a, b) => (b.trials < a.trials ? b : a));
  }

  #of(scheme: RendezvousScheme): Experience {
    let experience = this.#experiences.get(scheme);
    if (experience === undefined) {
      experience = new Experience(scheme);
      this.#experiences.set(scheme, experience);
    }
    return experience;
  }

  record(scheme: RendezvousScheme, nanosecondsPerByte: number, nanoseconds: number): void {
    const experience = this.#of(scheme);
    experience.spent += nanoseconds;
    experience.least = Math.min(experience.least, nanosecondsPerByte);
    experience.samples.push(nanosecondsPerByte);
    if (experience.samples.length > TRIALS) experience.samples.shift();
  }
}

/** Lengths between two powers of two are of one class. */
export function sizeClass(length: number): number {
  return length < 1 ? 0 : Math.min(63, Math.floor(Math.log2(length)));
}

/** The verdicts for peers that are reached by the same schemes. */
export class CostModel {
  readonly #classes: (SizeClass | undefined)[] = [];
  /** Whether the message that was given a scheme last is to be recorded: it is part of a trial. */
  timed = false;

  /** The scheme by which the next message of this length goes, of those that it can go by. */
  choose(length: number, schemes: readonly RendezvousScheme[]): RendezvousScheme {
    if (schemes.length === 1) {
      this.timed = false;
      return schemes[0];
    }
    const ofSize = this.#classOf(length);
    const scheme = ofSize.choose(schemes);
    this.timed = ofSize.timed;
    return scheme;
  }

  /** How long a message took, from when the sender began until it was there. */
  record(scheme: RendezvousScheme, length: number, nanoseconds: number): void {
    this.#classOf(length).record(scheme, nanoseconds / length, nanoseconds);
  }

  #classOf(length: number): SizeClass {
    const index = sizeClass(length);
    this.#classes[index] ??= new SizeClass();
    return this.#classes[index];
  }
}
