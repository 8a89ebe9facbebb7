/**
 * By which scheme a large message goes: copied through the transport's buffers, fetched by the receiver
 * from the sender's memory, written by the sender to the receiver's, or both. Machines differ too
 * much to guess, so the receiver measures each for each transport and size, on the messages
 * themselves, and keeps to the best one.
 */
import type { OneSidedScheme } from '../../../transports/transport.ts';

/** How a large message goes. */
export type RendezvousScheme = 'copy' | OneSidedScheme;

/** Messages that each scheme gets at least before there is a verdict. */
export const TRIALS_MIN = 3;
/**
 * Milliseconds for which each scheme is tried before there is a verdict, if its messages are short: a scheme
 * looks slow until V8 has compiled the code that it runs through.
 */
export const TRIAL_MS = 8;
/** Messages that each scheme gets at most before there is a verdict, unless it may yet win. */
export const TRIALS_MAX = 512;
/** Messages of all sizes after which V8 has compiled all code of a scheme. */
export const WARM_MESSAGES = 3072;
/** A scheme that costs at most this many times the best may still win once it is compiled. */
export const PROMISING = 1.5;
/** Nanoseconds of a message beyond which compiled code makes no difference. */
export const WARM_NS_MAX = 50_000;
/** Messages of a size after which a loser is tried once more, because a machine's state changes. */
export const RETRIAL_INTERVAL = 512;

/** DREG_SINGLE_COPY: 'auto' (measured), 'always', 'never'. */
export type Preference = 'auto' | 'always' | 'never';
/** DREG_RNDV: 'auto' (measured), or this scheme wherever a transport has it. */
export const RENDEZVOUS_PREFERENCES = ['auto', 'get', 'put', 'copy'] as const;
export type RendezvousPreference = (typeof RENDEZVOUS_PREFERENCES)[number];

/** The median of this many last messages counts: a message that was interrupted must not decide. */
export const SAMPLES = 5;

/** Once there is a verdict, one message of this many is timed: the clock costs as much as a small copy. */
export const TIMED_INTERVAL = 16;

/** What is known of a scheme for messages of a size. */
class Experience {
  /** Nanoseconds a byte of the last {@link SAMPLES} messages, the oldest first. */
  readonly samples: number[] = [];
  trials = 0;
  /** Nanoseconds that its messages have taken so far. */
  spent = 0;
  /** Nanoseconds a byte of its fastest message: what the scheme can do undisturbed. */
  least = Number.POSITIVE_INFINITY;

  get cost(): number {
    const { samples } = this;
    if (samples.length === 0) return Number.POSITIVE_INFINITY;
    return samples.toSorted((a, b) => a - b)[samples.length >>> 1];
  }

  get tried(): boolean {
    return this.trials >= TRIALS_MAX || this.spent >= TRIAL_MS * 1e6;
  }
}

/** Messages of all sizes that went by each scheme. */
class Warmth {
  readonly #messages = new Map<RendezvousScheme, number>();

  count(scheme: RendezvousScheme): void {
    this.#messages.set(scheme, (this.#messages.get(scheme) ?? 0) + 1);
  }

  has(scheme: RendezvousScheme): boolean {
    return (this.#messages.get(scheme) ?? 0) >= WARM_MESSAGES;
  }
}

class SizeClass {
  readonly #schemes = new Map<RendezvousScheme, Experience>();
  /** The verdict; null while schemes are tried. */
  #best: RendezvousScheme | null = null;
  /** Something was recorded since the verdict. */
  #stale = false;
  /** A loser that was just better than the best: the next message goes by it, too. */
  #again: RendezvousScheme | null = null;
  #messages = 0;
  /** Whether the message whose scheme was chosen last is to be timed. */
  timed = true;
  readonly #length: number;
  readonly #warmth: Warmth;

  /** @param length of its longest messages, in bytes */
  constructor(length: number, warmth: Warmth) {
    this.#length = length;
    this.#warmth = warmth;
  }

  choose(schemes: readonly RendezvousScheme[]): RendezvousScheme {
    const messages = ++this.#messages;
    if (this.#again !== null) return this.#tryAgain(this.#again);
    if (this.#best === null) {
      this.timed = true;
      const untried = this.#untried(schemes);
      if (untried !== undefined) return untried;
    }
    if (this.#best === null || this.#stale) this.#best = this.#ranking(schemes)[0];
    this.#stale = false;
    this.timed = messages % TIMED_INTERVAL === 0;
    if (messages % RETRIAL_INTERVAL !== 0) return this.#best;
    const retrial = messages / RETRIAL_INTERVAL;
    return this.#ranking(schemes)[1 + (retrial % (schemes.length - 1))];
  }

  #tryAgain(scheme: RendezvousScheme): RendezvousScheme {
    this.#again = null;
    this.timed = true;
    return scheme;
  }

  /** Counted when the message begins: of many messages under way at once each scheme gets its part. */
  #untried(schemes: readonly RendezvousScheme[]): RendezvousScheme | undefined {
    const scheme =
      schemes.find((one) => this.#of(one).trials < TRIALS_MIN) ??
      schemes.find((one) => !this.#of(one).tried) ??
      this.#promising(schemes);
    if (scheme !== undefined) this.#of(scheme).trials++;
    return scheme;
  }

  /**
   * A scheme that is not compiled yet and nearly as good as the best one, which may not be compiled either.
   */
  #promising(schemes: readonly RendezvousScheme[]): RendezvousScheme | undefined {
    const limit = this.#of(this.#ranking(schemes)[0]).cost * PROMISING;
    if (!(limit * this.#length <= WARM_NS_MAX * PROMISING)) return undefined;
    const promising = schemes.filter((scheme) => this.#of(scheme).least <= limit);
    // With nothing to compare to there is nothing to find out.
    if (promising.length < 2) return undefined;
    return promising.find((scheme) => !this.#warmth.has(scheme));
  }

  #of(scheme: RendezvousScheme): Experience {
    let experience = this.#schemes.get(scheme);
    if (experience === undefined) {
      experience = new Experience();
      this.#schemes.set(scheme, experience);
    }
    return experience;
  }

  #ranking(schemes: readonly RendezvousScheme[]): RendezvousScheme[] {
    return [...schemes].sort((a, b) => this.#of(a).cost - this.#of(b).cost);
  }

  record(scheme: RendezvousScheme, nanosecondsPerByte: number, nanoseconds: number): void {
    const experience = this.#of(scheme);
    experience.spent += nanoseconds;
    experience.least = Math.min(experience.least, nanosecondsPerByte);
    experience.samples.push(nanosecondsPerByte);
    if (experience.samples.length > SAMPLES) experience.samples.shift();
    const best = this.#best;
    if (best !== null && scheme !== best && nanosecondsPerByte < this.#of(best).cost)
      this.#again = scheme;
    this.#stale = true;
  }
}

/** Lengths between two powers of two are of one class. */
export function sizeClass(length: number): number {
  return length < 1 ? 0 : Math.min(63, Math.floor(Math.log2(length)));
}

/** The verdicts for peers that are reached by the same schemes. */
export class CostModel {
  readonly #classes: (SizeClass | undefined)[] = [];
  readonly #warmth = new Warmth();
  /** Whether the message whose scheme was chosen last is to be recorded. */
  timed = false;

  /** The scheme for the next message of this length, out of those that are possible. */
  choose(length: number, schemes: readonly RendezvousScheme[]): RendezvousScheme {
    if (schemes.length === 1) {
      this.timed = false;
      return schemes[0];
    }
    const ofSize = this.#classOf(length);
    const scheme = ofSize.choose(schemes);
    this.timed = ofSize.timed;
    this.#warmth.count(scheme);
    return scheme;
  }

  /** How long a message took, from when the sender began until it was there. */
  record(scheme: RendezvousScheme, length: number, nanoseconds: number): void {
    this.#classOf(length).record(scheme, nanoseconds / length, nanoseconds);
  }

  #classOf(length: number): SizeClass {
    const index = sizeClass(length);
    this.#classes[index] ??= new SizeClass(2 ** (index + 1), this.#warmth);
    return this.#classes[index];
  }
}
