/**
 * By which scheme a large message goes: copied through the transport's buffers, fetched by the receiver
 * from the sender's memory, written by the sender to the receiver's, or both. Machines differ too
 * much to guess, so the receiver measures each for each transport and size, on the messages
 * themselves, and keeps to the best one.
 */
import type { OneSidedScheme } from '../../../transports/transport.ts';

/** How a large message goes. */
export type RendezvousScheme = 'copy' | OneSidedScheme;

/** Timed messages of a scheme that are compared. Their median counts: one that was interrupted must not decide. */
export const TRIALS = 5;
/** Messages of a scheme in a row. The first one is not timed: its offer was made for another scheme. */
export const TRIAL_RUN = TRIALS + 1;
/** Messages of a size until there is a verdict, at most. */
export const TRIAL_MESSAGES = 96;
/** After so many messages of 64 KiB a scheme's code is compiled, and of longer ones after fewer: until then it looks slow. */
export const COMPILED_MESSAGES = 2048;
/** Messages from one look at a scheme that lost to the next, at least, while its code may not be compiled. */
export const LOOK_INTERVAL = 32;
/** The same once it is compiled: a machine's state changes. */
export const TRIAL_INTERVAL = 2048;
/** Looks at a scheme that lost take this share of the time at most: a slow one is looked at seldom. */
export const LOOK_SHARE = 0.04;
/** Another scheme takes over where it was so much faster in two looks, one right after the other. */
export const TAKEOVER = 1.1;

const COMPILED_BYTES = COMPILED_MESSAGES * 64 * 1024;

/** DREG_SINGLE_COPY: 'auto' (measured), 'always', 'never'. */
export type Preference = 'auto' | 'always' | 'never';
/** DREG_RNDV: 'auto' (measured), or this scheme wherever a transport has it. */
export const RENDEZVOUS_PREFERENCES = ['auto', 'get', 'put', 'copy'] as const;
export type RendezvousPreference = (typeof RENDEZVOUS_PREFERENCES)[number];

/** What messages of a size cost by one scheme, in nanoseconds a byte. */
class Experience {
  readonly scheme: RendezvousScheme;
  /** Of the last timed messages, the oldest first. */
  readonly #samples: number[] = [];
  /** Messages that have begun. */
  begun = 0;
  /** Messages that were timed since the last look began. */
  fresh = 0;
  /** When it is looked at again, in messages of this size. */
  due = 0;
  /** It was faster than the best in the last look. */
  leads = false;

  constructor(scheme: RendezvousScheme) {
    this.scheme = scheme;
  }

  add(nanosecondsPerByte: number): void {
    this.fresh++;
    this.#samples.push(nanosecondsPerByte);
    if (this.#samples.length > 2 * TRIALS) this.#samples.shift();
  }

  get known(): boolean {
    return this.#samples.length >= TRIALS;
  }

  /** The median of the last so many. */
  cost(count: number): number {
    const last = this.#samples.slice(-count);
    if (last.length === 0) return Number.POSITIVE_INFINITY;
    return last.sort((a, b) => a - b)[last.length >>> 1];
  }
}

/**
 * Messages of a size. A *trial* comes first, in which each scheme has its turns, and then there is a verdict. From then on single
 * *looks* compare the best with one of the others.
 */
class SizeClass {
  /** After so many messages a scheme's code is compiled. */
  readonly #compiled: number;
  readonly #experiences = new Map<RendezvousScheme, Experience>();
  /** The verdict; null during the trial. */
  #best: Experience | null = null;
  /** Messages for the best one until somebody is looked at. */
  #left = 0;
  /** Messages so far, those that are left included. */
  #count = 0;
  /** Who is compared with the best. */
  #rival: Experience | null = null;
  /** Whose turn it is, and how many messages of it there were. */
  #turn: Experience | null = null;
  #run = TRIAL_RUN;
  /** Whether the message that was given a scheme last is to be timed. */
  timed = true;

  /** @param bytes of the shortest message of this size */
  constructor(bytes: number) {
    this.#compiled = Math.ceil(COMPILED_BYTES / Math.max(bytes, 64 * 1024));
  }

  choose(schemes: readonly RendezvousScheme[]): RendezvousScheme {
    if (this.#left === 0 && this.#run === TRIAL_RUN) this.#goOn(schemes);
    if (this.#left > 0) {
      this.#left--;
      this.timed = false;
      return (this.#best as Experience).scheme;
    }
    const turn = this.#turn as Experience;
    this.timed = this.#run > 0;
    this.#run++;
    this.#count++;
    turn.begun++;
    return turn.scheme;
  }

  /** Says whose turn is next, or how many messages go by the best one. */
  #goOn(schemes: readonly RendezvousScheme[]): void {
    const all = schemes.map((scheme) => this.#of(scheme));
    if (this.#best === null || !all.includes(this.#best)) this.#try(all);
    else if (this.#rival === null) this.#beginLook(this.#best, all);
    else if (this.#turn === this.#best) this.#take(this.#rival);
    else this.#judge(this.#best, this.#rival, all);
  }

  /** Messages are counted when they begin, so that of many under way at once each scheme gets its part. */
  #try(all: Experience[]): void {
    const runs = Math.floor(TRIAL_MESSAGES / all.length / TRIAL_RUN);
    const enough = Math.max(1, Math.min(runs, Math.ceil(this.#compiled / TRIAL_RUN))) * TRIAL_RUN;
    const isOpen = ({ begun, known }: Experience) =>
      begun < enough || (!known && begun < TRIAL_MESSAGES);
    const open = all.filter(isOpen);
    if (open.length > 0) this.#take(open.reduce((a, b) => (b.begun < a.begun ? b : a)));
    else this.#settle(cheapest(all), all);
  }

  #settle(best: Experience, all: Experience[]): void {
    this.#best = best;
    for (const each of all) {
      each.leads = false;
      this.#postpone(each);
    }
    this.#rest(all);
  }

  /** When a scheme is looked at next. */
  #postpone(other: Experience): void {
    const slower = other.cost(TRIALS) / (this.#best as Experience).cost(TRIALS) - 1;
    const least = other.begun < this.#compiled ? LOOK_INTERVAL : TRIAL_INTERVAL;
    const cheap = Number.isFinite(slower) ? (TRIAL_RUN * slower) / LOOK_SHARE : TRIAL_INTERVAL;
    other.due = this.#count + Math.max(least, Math.ceil(cheap));
  }

  /** All go by the best one until somebody is due. */
  #rest(all: Experience[]): void {
    this.#rival = null;
    const dues = all.filter((each) => each !== this.#best).map(({ due }) => due);
    this.#left = Math.max(1, Math.min(...dues) - this.#count);
    this.#count += this.#left;
  }

  #beginLook(best: Experience, all: Experience[]): void {
    const others = all.filter((each) => each !== best);
    const rival = others.reduce((a, b) => (b.due < a.due ? b : a));
    this.#rival = rival;
    best.fresh = 0;
    rival.fresh = 0;
    this.#take(best);
  }

  #take(experience: Experience): void {
    this.#turn = experience;
    this.#run = 0;
  }

  #judge(best: Experience, rival: Experience, all: Experience[]): void {
    const counts = Math.min(best.fresh, rival.fresh) >= TRIALS;
    const leads = counts && rival.cost(TRIALS) * TAKEOVER < best.cost(TRIALS);
    if (leads && rival.leads) {
      this.#settle(rival, all);
      return;
    }
    rival.leads = leads;
    this.#postpone(rival);
    if (leads) rival.due = this.#count;
    this.#rest(all);
  }

  #of(scheme: RendezvousScheme): Experience {
    let experience = this.#experiences.get(scheme);
    if (experience === undefined) {
      experience = new Experience(scheme);
      this.#experiences.set(scheme, experience);
    }
    return experience;
  }

  record(scheme: RendezvousScheme, nanosecondsPerByte: number): void {
    this.#of(scheme).add(nanosecondsPerByte);
  }
}

function cheapest(all: Experience[]): Experience {
  const costs = all.map((each) => each.cost(2 * TRIALS));
  return all[costs.indexOf(Math.min(...costs))];
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
    this.#classOf(length).record(scheme, nanoseconds / length);
  }

  #classOf(length: number): SizeClass {
    const index = sizeClass(length);
    this.#classes[index] ??= new SizeClass(2 ** index);
    return this.#classes[index];
  }
}
