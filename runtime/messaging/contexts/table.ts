/**
 * The contexts of a rank (docs/internals/protocol.md#contexts): by its own numbers, by those that peers give
 * to theirs, and by what peers open them by.
 */
import type { Packet } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import { flowOf, PROGRAM } from '../flow/credit.ts';
import { PostingClock } from '../matching/bins.ts';
import { Context } from '../matching/context.ts';
import type { Peer } from '../peer.ts';
import { KEY_WORD, longOf, OPEN_NAMED } from '../wire.ts';
import { ContextPair } from './pair.ts';

/** Communicators that a rank can have at the same time, those it frees while operations are under way included. */
export const COMMUNICATORS_MAX = 2 ** 16;
/** As many again only tell the other members that there is none left. */
const NUMBERS_MAX = 2 * COMMUNICATORS_MAX;
/** Numbers that mean the same at all ranks: the two of the world. */
export const FIXED_CONTEXTS = 2;

/** What a peer means by the numbers that it gave. */
class Meanings {
  readonly contexts: (Context | undefined)[] = [];
  readonly pairs = new Map<number, ContextPair>();
}

/** What the table needs of the engine. */
export interface ContextHost {
  /** Nobody will receive what is kept in it. */
  drop(context: Context): void;
  /** Whether messages that bear this number, or the next, wait to be sent. */
  sends(id: number): boolean;
}

export class ContextTable {
  readonly #host: ContextHost;
  readonly #clock = new PostingClock();
  /** By this rank's own numbers. */
  readonly #own: (Context | undefined)[] = [];
  /** By half of them; fixed ones have none. */
  readonly #pairs: (ContextPair | undefined)[] = [];
  /** By half: numbers that were given before, and are free. */
  readonly #free: number[] = [];
  /** By the peer's rank in the world, from its first OPEN on. */
  readonly #meanings: (Meanings | undefined)[] = [];
  #live = 0;
  #lastSerial = 0;
  readonly #bySerial = new Map<number, ContextPair>();
  /** By the words of its name, in the order in which they begin. */
  readonly #byName = new Map<string, ContextPair[]>();
  /** Freed, and not out of use yet. */
  readonly #closing = new Set<ContextPair>();
  /** Where messages go that come too late. */
  /** Of communicators that were freed here. */
  readonly dead: Context;

  constructor(host: ContextHost) {
    this.#host = host;
    this.dead = new Context(this.#clock, PROGRAM, { nameOf: () => -1, includes: () => false });
    this.dead.closed = true;
    this.#pairs.length = FIXED_CONTEXTS / 2;
  }

  /** Opens a context whose number means the same at all ranks. */
  openFixed(id: number): Context {
    this.#own[id] ??= new Context(this.#clock, flowOf(id), {
      nameOf: () => id,
      includes: () => true,
    });
    return this.#own[id];
  }

  /** The context that has this number here. */
  of(id: number): Context {
    return this.#own[id] as Context;
  }

  /** Undefined for a fixed context. */
  pairOf(id: number): ContextPair | undefined {
    return this.#pairs[id >> 1];
  }

  /** The context that a peer means by a number; undefined: by none that is known. */
  meantBy(peer: Peer, number: number): Context | undefined {
    return number < FIXED_CONTEXTS
      ? this.#own[number]
      : this.#meanings[peer.rank]?.contexts[number];
  }

  /** All in which receives may wait. */
  *all(): Generator<Context> {
    for (const context of this.#own) if (context !== undefined) yield context;
  }

  // ---- this rank's communicators

  /** Whether there is no number left for another communicator. */
  get full(): boolean {
    this.#sweep();
    return this.#live >= COMMUNICATORS_MAX;
  }

  /** How many there are, those included that are freed and still in use. */
  get live(): number {
    this.#sweep();
    return this.#live;
  }

  /** A new communicator; its members come later. @throws MpiError ERR_NO_CONTEXT */
  begin(): ContextPair {
    return this.#begin(new ContextPair(this.#clock));
  }

  /** One that its members open by a name until they know its serials: then {@link forgetName}. */
  beginNamed(name: Int32Array): ContextPair {
    const list = this.#named(name);
    let pair = list.find((each) => each.id < 0);
    if (pair === undefined) {
      pair = new ContextPair(this.#clock);
      pair.name = name;
      list.push(pair);
    }
    return this.#begin(pair);
  }

  #named(name: Int32Array): ContextPair[] {
    const key = name.join();
    let list = this.#byName.get(key);
    if (list === undefined) {
      list = [];
      this.#byName.set(key, list);
    }
    return list;
  }

  forgetName(pair: ContextPair): void {
    const key = (pair.name as Int32Array).join();
    const list = this.#byName.get(key);
    if (list === undefined) return;
    const at = list.indexOf(pair);
    if (at >= 0) list.splice(at, 1);
    if (list.length === 0) this.#byName.delete(key);
  }

  #begin(pair: ContextPair): ContextPair {
    this.#sweep();
    const half = this.#free.pop() ?? this.#pairs.length;
    if (half * 2 >= NUMBERS_MAX * 2) throw noContext();
    this.#live++;
    pair.id = half * 2;
    pair.serial = ++this.#lastSerial;
    this.#pairs[half] = pair;
    this.#own[half * 2] = pair.program;
    this.#own[half * 2 + 1] = pair.library;
    this.#bySerial.set(pair.serial, pair);
    return pair;
  }

  /**
   * The program will start nothing more on it. What is under way comes to its end; messages that no
   * receive waits for are dropped, those too that come later.
   */
  close(pair: ContextPair): void {
    pair.shut();
    pair.program.closed = true;
    this.#host.drop(pair.program);
    this.#closing.add(pair);
    this.#settle(pair);
  }

  /** Gives back the numbers of what is closed and out of use. */
  #sweep(): void {
    for (const pair of this.#closing) this.#settle(pair);
  }

  #settle(pair: ContextPair): void {
    if (pair.uses === 0 && !pair.library.closed) {
      pair.library.closed = true;
      this.#host.drop(pair.library);
    }
    if (pair.answers || pair.inUse || this.#host.sends(pair.id)) return;
    const half = pair.id / 2;
    this.#closing.delete(pair);
    this.#pairs[half] = undefined;
    this.#own[pair.id] = undefined;
    this.#own[pair.id + 1] = undefined;
    this.#bySerial.delete(pair.serial);
    this.#free.push(half);
    this.#live--;
    for (const [peer, number] of pair.bound) this.#mean(peer, number, null);
    pair.bound.clear();
  }

  /** MPI ends: no fast path finds a peer any more. */
  shut(): void {
    for (const pair of this.#pairs) pair?.shut();
  }

  // ---- what peers open

  /** A peer says what a number of its means from here on. @throws MpiError ERR_PROTOCOL */
  onOpen(peer: Peer, { kind, context: number, extension }: Packet): void {
    if ((number & 1) === 1 || number < FIXED_CONTEXTS || number >= NUMBERS_MAX * 2)
      throw new MpiError('ERR_PROTOCOL', `a peer opens the context ${number}`);
    const named = kind === OPEN_NAMED;
    const serial = longOf(extension, KEY_WORD.low, KEY_WORD.high);
    const pair = named ? this.#openedByName(peer, extension) : this.#bySerial.get(serial);
    this.#unbind(peer, number, pair);
    if (pair !== undefined) {
      pair.bind(peer, number);
      if (named) pair.openedByName.add(peer);
    }
    // Unknown: it was freed here.
    this.#mean(peer, number, pair ?? null);
  }

  #openedByName(peer: Peer, words: Int32Array): ContextPair {
    const list = this.#named(words);
    const known = list.find((each) => !each.openedByName.has(peer));
    if (known !== undefined) return known;
    const pair = new ContextPair(this.#clock);
    pair.name = words.slice();
    list.push(pair);
    return pair;
  }

  /** What the number meant before. */
  #unbind(peer: Peer, number: number, now: ContextPair | undefined): void {
    const before = this.#meanings[peer.rank]?.pairs.get(number);
    if (before === undefined || before === now) return;
    before.unbind(peer);
    // Nobody here has asked for it, and those who had opened it have given up.
    if (before.id >= 0 || before.bound.size > 0) return;
    this.forgetName(before);
    this.#host.drop(before.library);
    this.#host.drop(before.program);
  }

  #mean(peer: Peer, number: number, pair: ContextPair | null): void {
    this.#meanings[peer.rank] ??= new Meanings();
    const { contexts, pairs } = this.#meanings[peer.rank] as Meanings;
    if (pair === null) pairs.delete(number);
    else pairs.set(number, pair);
    contexts[number] = pair?.program ?? this.dead;
    contexts[number + 1] = pair?.library ?? this.dead;
  }
}

function noContext(): MpiError {
  return new MpiError(
    'ERR_NO_CONTEXT',
    `this rank has ${COMMUNICATORS_MAX} communicators: free those that are not needed (comm.free(), or using comm = …)`,
  );
}
