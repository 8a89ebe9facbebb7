/**
 * A part of a schedule in which ranks send messages to each other, all of which are received in it. The
 * messages have an order. In that order each could be sent and received before the next one; from there
 * receives are posted earlier or later, and waits come later.
 */
import type { Random } from '../../../tools/random.ts';
import type { Comm } from './communicators.ts';
import type { PlannedStep, Posting } from './rehearse.ts';

interface Planned {
  comm: Comm;
  group: readonly number[];
  /** Places in the group. */
  source: number;
  destination: number;
  tag: number;
  length: number;
}

/** On both sides of the thresholds of all three implementations. */
const LENGTHS = [0, 1, 8, 48, 49, 2048, 4096, 8192, 8193, 16384, 16385, 40_000, 70_000, 300_000];
const TAGS = 3;
/** Tags of exchanges begin here; no message has the last two. */
const EXCHANGE_TAG = 50;
const NEVER_TAGS = [98, 99];
const BSEND_MAX = 70_000;
/** Steps at the end, after all others. */
const LAST = 1e6;
const HOWS = ['all', 'any', 'some', 'testall', 'testany', 'testsome'];

export class Section {
  readonly steps: PlannedStep[] = [];
  readonly #random: Random;
  readonly #messages: Planned[] = [];
  /** Whether the order is shaken. */
  readonly #wild: boolean;
  /** Those of a rank that are still to be completed at the end. */
  readonly #open = new Map<number, { slot: number; posting: Posting }[]>();
  #exchanges = 0;
  readonly #slots = new Map<number, number>();

  constructor(random: Random, comms: readonly Comm[], wild: boolean) {
    this.#random = random;
    this.#wild = wild;
    const plan = Array.from({ length: 4 + random.below(8) }, () => this.#plan(random.pick(comms)));
    for (const { messages } of plan) this.#messages.push(...messages);
    for (const [i, { how, messages }] of plan.entries()) {
      how(i, messages);
      if (random.chance(0.2)) this.#emptyHanded(i);
    }
    for (const [rank, open] of this.#open) this.#completeAll(rank, open);
  }

  /** What happens at one place of the order. All messages are known before the first receive: see {@link #pattern}. */
  #plan(comm: Comm): { how: (i: number, messages: Planned[]) => void; messages: Planned[] } {
    const random = this.#random;
    const message = this.#draw(comm);
    const kind = random.below(10);
    if (kind === 0) {
      const { source, destination } = message;
      const there = { ...message, tag: EXCHANGE_TAG + this.#exchanges++ };
      const back = { ...there, source: destination, destination: source };
      return { how: (i) => this.#exchange(i, there, back), messages: [there, back] };
    }
    if (kind === 1) return { how: (i) => this.#stream(i, message), messages: [message] };
    if (kind > 3) return { how: (i) => this.#message(i, message), messages: [message] };
    const more = () => ({ ...message, tag: random.below(TAGS), length: random.pick(LENGTHS) });
    const messages = [message, ...Array.from({ length: 2 + random.below(5) }, more)];
    return { how: (i) => this.#burst(i, messages), messages };
  }

  #draw(comm: Comm): Planned {
    const random = this.#random;
    const group = random.pick(comm.groups);
    return {
      comm,
      group,
      source: random.below(group.length),
      destination: random.below(group.length),
      tag: random.below(TAGS),
      length: random.pick(LENGTHS),
    };
  }

  /** A number that names a request or a message of a rank. */
  #slot(rank: number): number {
    const slot = (this.#slots.get(rank) ?? -1) + 1;
    this.#slots.set(rank, slot);
    return slot;
  }

  #add(
    rank: number,
    key: number,
    words: (string | number)[],
    posts: readonly Posting[] = [],
    until: readonly Posting[] = posts,
  ): void {
    this.steps.push({ rank, key, words: words.join(' '), posts, until });
  }

  #posting({ comm, group, source, destination, tag }: Planned, kind: Posting['kind']): Posting {
    const pair = `${comm.slot}: ${group[source]} > ${group[destination]}`;
    return { kind, pair, tag, matched: false };
  }

  /** Source and tag of a receive: wildcards where only one rank can be met. */
  #pattern(message: Planned): [source: number, tag: number] {
    const { comm, group, source, destination, tag } = message;
    const random = this.#random;
    const rivals = this.#messages.filter(
      (one) => one.comm === comm && one.group === group && one.destination === destination,
    );
    const anyTag = random.chance(0.25);
    const alone = rivals.every((one) => one.source === source || (!anyTag && one.tag !== tag));
    return [alone && random.chance(0.6) ? -1 : source, anyTag ? -1 : tag];
  }

  #message(i: number, message: Planned): void {
    this.#send(i, message);
    this.#receive(i, message);
  }

  /** Many between two ranks, whose receives are posted in another order: before, after, or in between. */
  #burst(i: number, messages: readonly Planned[]): void {
    const random = this.#random;
    const { comm, group, source, destination } = messages[0];
    const [sender, receiver] = [group[source], group[destination]];
    const from = random.below(2);
    for (const [at, message] of messages.entries()) {
      const sent = this.#posting(message, 'send');
      const { tag, length } = message;
      const out = this.#slot(sender);
      const words = ['isend', out, comm.slot, random.pick(['s', 's', 'y'])];
      this.#add(sender, i, [...words, destination, tag, length, random.below(1e6)], [sent], []);
      this.#completeLater(sender, i + 1, out, sent);
      const [its, label] = this.#pattern(message);
      const got = { ...this.#posting(message, 'receive'), tag: label };
      const into = this.#slot(receiver);
      const shaken = this.#wild ? random.below(4) * 0.02 : 0;
      const key = i + from * 0.1 + at * 0.01 + shaken - (this.#wild ? 0.05 : 0);
      this.#add(receiver, key, ['irecv', into, comm.slot, its, label, this.#room()], [got], []);
      this.#completeLater(receiver, i + 1, into, got);
    }
  }

  #send(i: number, message: Planned): void {
    const { comm, group, source, destination, tag, length } = message;
    const random = this.#random;
    const rank = group[source];
    const posting = this.#posting(message, 'send');
    const mode = random.pick(length <= BSEND_MAX ? ['s', 's', 'y', 'b'] : ['s', 's', 'y']);
    const seed = random.below(1e6);
    const rest = [mode, destination, tag, length, seed];
    if (source === destination || random.chance(0.5)) {
      const slot = this.#slot(rank);
      this.#add(rank, i, ['isend', slot, comm.slot, ...rest], [posting], []);
      this.#completeLater(rank, i, slot, mode === 'b' ? null : posting);
    } else
      this.#add(rank, i, ['send', comm.slot, ...rest], [posting], mode === 'b' ? [] : [posting]);
  }

  #receive(i: number, message: Planned): void {
    const { comm, group, destination, length } = message;
    const random = this.#random;
    const rank = group[destination];
    const key = i + 0.2 + (this.#wild ? random.below(7) - 3 : 0);
    const [source, tag] = this.#pattern(message);
    const what = [comm.slot, source, tag];
    const posting = { ...this.#posting(message, 'receive'), tag };
    const room = this.#room();
    const how = random.below(8);
    if (how < 3)
      this.#add(rank, key, ['recv', ...what, random.chance(0.1) ? length >> 1 : room], [posting]);
    else if (how < 6) {
      const slot = this.#slot(rank);
      this.#add(rank, key, ['irecv', slot, ...what, room], [posting], []);
      this.#completeLater(rank, Math.max(key, i), slot, posting);
    } else if (how === 6) {
      const probe: Posting = { ...posting, kind: 'probe' };
      this.#add(rank, key, [random.pick(['probe', 'iprobe']), ...what], [probe]);
      this.#add(rank, key + 0.1, ['recv', ...what, room], [posting]);
    } else {
      const claimed = this.#slot(rank);
      const claim: Posting = { ...posting, kind: 'claim' };
      const take: Posting = { ...posting, kind: 'take', of: claim };
      this.#add(rank, key, [random.pick(['mprobe', 'improbe']), claimed, ...what], [claim]);
      if (random.chance(0.5))
        this.#add(rank, key + random.below(3), ['mrecv', claimed, room], [take]);
      else {
        const slot = this.#slot(rank);
        this.#add(rank, key + 0.1, ['imrecv', slot, claimed, room], [take]);
        this.#completeLater(rank, key + 0.1, slot, take);
      }
    }
  }

  /** Enough for whatever is met. */
  #room(): number {
    return 300_000 + this.#random.below(3);
  }

  #completeLater(rank: number, after: number, slot: number, posting: Posting | null): void {
    const random = this.#random;
    const until = posting === null ? [] : [posting];
    if (random.chance(0.5)) {
      const key = after + 0.3 + random.below(5);
      this.#add(rank, key, [random.pick(['wait', 'test']), slot], [], until);
      return;
    }
    const open = this.#open.get(rank) ?? [];
    if (posting !== null) open.push({ slot, posting });
    else this.#add(rank, LAST, ['wait', slot]);
    this.#open.set(rank, open);
  }

  #completeAll(rank: number, open: readonly { slot: number; posting: Posting }[]): void {
    if (open.length === 0) return;
    const words = ['complete', this.#random.pick(HOWS), ...open.map(({ slot }) => slot)];
    const until = open.map(({ posting }) => posting);
    this.#add(rank, LAST, words, [], until);
  }

  /** Two ranks, or one with itself, send and receive at once. */
  #exchange(i: number, message: Planned, back: Planned): void {
    const { comm, group, source, destination, length } = message;
    const replaces = this.#random.chance(0.5);
    for (const [mine, other] of source === destination
      ? [[message, back]]
      : [
          [message, back],
          [back, message],
        ]) {
      const posts = [this.#posting(mine, 'send'), this.#posting(other, 'receive')];
      const seed = this.#random.below(1e6);
      const words = [comm.slot, mine.destination, mine.tag, length, seed, other.source, other.tag];
      if (replaces) this.#add(group[mine.source], i, ['replace', ...words], posts);
      else this.#add(group[mine.source], i, ['sendrecv', ...words, this.#room()], posts);
    }
  }

  /** The same message a few times, by persistent operations at one end or both. */
  #stream(i: number, message: Planned): void {
    const { comm, group, source, destination, tag, length } = message;
    const random = this.#random;
    const [sender, receiver] = [group[source], group[destination]];
    const [from, its] = this.#pattern(message);
    const [out, into] = [this.#slot(sender), this.#slot(receiver)];
    const repeats = random.chance(0.7);
    this.#add(sender, -1, [
      'psend',
      out,
      comm.slot,
      random.pick(['s', 'y']),
      destination,
      tag,
      length,
    ]);
    this.#add(sender, LAST + 1, ['pfree', out]);
    if (repeats) {
      this.#add(receiver, -1, ['precv', into, comm.slot, from, its, this.#room()]);
      this.#add(receiver, LAST + 1, ['pfree', into]);
    }
    for (let round = 0; round < 3; round++) {
      const key = i + round * 0.3;
      const sent = this.#posting(message, 'send');
      const got = { ...this.#posting(message, 'receive'), tag: its };
      this.#add(sender, key, ['start', random.below(1e6), out], [sent], []);
      if (repeats) {
        this.#add(receiver, key + 0.05, ['start', 0, into], [got], []);
        this.#add(receiver, key + 0.1, [random.pick(['wait', 'test']), into], [], [got]);
      } else this.#add(receiver, key + 0.05, ['recv', comm.slot, from, its, this.#room()], [got]);
      this.#add(sender, key + 0.2, ['wait', out], [], [sent]);
    }
  }

  /** What meets no message: a receive that is cancelled, probes that find nothing, nobody. */
  #emptyHanded(i: number): void {
    const random = this.#random;
    const { comm, group, source } = random.pick(this.#messages);
    const rank = group[source];
    const key = i + 0.5;
    const [received, probed] = NEVER_TAGS;
    const from = random.pick([-1, random.below(group.length)]);
    const what = random.below(3);
    if (what === 0) {
      const slot = this.#slot(rank);
      this.#add(rank, key, ['irecv', slot, comm.slot, from, received, 8]);
      this.#add(rank, key + random.below(4), ['cancel', slot]);
    } else if (what === 1) this.#add(rank, key, ['nothing', comm.slot, from, probed]);
    else {
      this.#add(rank, key, ['send', comm.slot, random.pick(['s', 'y', 'b']), -2, 0, 8, 1]);
      this.#add(rank, key, ['recv', comm.slot, -2, -1, 8]);
      this.#add(rank, key, ['probe', comm.slot, -2, 0]);
    }
  }
}
