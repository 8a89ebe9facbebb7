/**
 * Matching of messages with receives by (source, tag) within one context (MPI 4.1, 3.5): the first
 * receive posted that fits takes a message, the first message arrived that fits is taken by a receive.
 *
 * Both sides are kept in bins, one for each of (source, tag), (source, any), (any, tag), (any, any),
 * so that finding a match costs the same with one entry and with a million. A posted receive stands in
 * the one bin that it names, and a message looks into four. An unexpected message stands in up to four,
 * and a receive looks into one.
 */
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';

/** Bins of tags below are found by an array's index, and stay. */
const SMALL_TAGS = 1024;
/** Empty bins that a lane keeps for larger tags to come; beyond, a bin goes when it becomes empty. */
const IDLE_BINS_MAX = 64;

/** A place in a bin: a doubly linked list of items. */
export interface Link<Item> {
  readonly item: Item;
  next: Link<Item> | null;
  previous: Link<Item> | null;
  bin: Bin<Item> | null;
}

/** First in, first out; and out of the middle. */
export class Bin<Item> {
  readonly tag: number;
  readonly lane: Lane<Item>;
  head: Link<Item> | null = null;
  tail: Link<Item> | null = null;
  size = 0;
  /** No longer among its lane's bins: nothing may be pushed. */
  retired = false;

  constructor(lane: Lane<Item>, tag: number) {
    this.lane = lane;
    this.tag = tag;
  }

  push(link: Link<Item>): void {
    link.bin = this;
    link.next = null;
    link.previous = this.tail;
    if (this.tail === null) this.head = link;
    else this.tail.next = link;
    this.tail = link;
    this.size++;
    this.lane.count++;
  }

  *all(): Generator<Item> {
    for (let link = this.head; link !== null; link = link.next) yield link.item;
  }
}

/** Takes a link out of the bin that it is in. */
function unlink<Item>(link: Link<Item>): void {
  const bin = link.bin as Bin<Item>;
  if (link.previous === null) bin.head = link.next;
  else link.previous.next = link.next;
  if (link.next === null) bin.tail = link.previous;
  else link.next.previous = link.previous;
  link.next = null;
  link.previous = null;
  link.bin = null;
  bin.size--;
  bin.lane.count--;
  if (bin.head === null) bin.lane.retire(bin);
}

/** The bins of one source, or of ANY_SOURCE. */
class Lane<Item> {
  count = 0;
  readonly any: Bin<Item> = new Bin(this, ANY_TAG);
  readonly #small: (Bin<Item> | undefined)[] = [];
  readonly #bins = new Map<number, Bin<Item>>();
  /** The bin used last: programs tend to stay with a tag. */
  #recent: Bin<Item> = this.any;

  /** The bin of a tag, if there is one. */
  find(tag: number): Bin<Item> | undefined {
    if (this.#recent.tag === tag) return this.#recent;
    const bin = tag < SMALL_TAGS ? this.#small[tag] : this.#bins.get(tag);
    if (bin !== undefined) this.#recent = bin;
    return bin;
  }

  /** The bin of a tag, made where there is none. */
  bin(tag: number): Bin<Item> {
    const found = this.find(tag);
    if (found !== undefined) return found;
    const made = new Bin<Item>(this, tag);
    if (tag >= SMALL_TAGS) this.#bins.set(tag, made);
    else {
      while (this.#small.length <= tag) this.#small.push(undefined);
      this.#small[tag] = made;
    }
    this.#recent = made;
    return made;
  }

  *all(): Generator<Item> {
    yield* this.any.all();
    yield* this.tagged();
  }

  *tagged(): Generator<Item> {
    for (const bin of this.#small) if (bin !== undefined) yield* bin.all();
    for (const bin of this.#bins.values()) yield* bin.all();
  }

  retire(bin: Bin<Item>): void {
    if (bin.tag < SMALL_TAGS || this.#bins.size <= IDLE_BINS_MAX) return;
    this.#bins.delete(bin.tag);
    bin.retired = true;
    if (this.#recent === bin) this.#recent = this.any;
  }
}

class Lanes<Item> {
  readonly any = new Lane<Item>();
  readonly #bySource: (Lane<Item> | undefined)[] = [];

  find(source: number): Lane<Item> | undefined {
    return source === ANY_SOURCE ? this.any : this.#bySource[source];
  }

  lane(source: number): Lane<Item> {
    if (source === ANY_SOURCE) return this.any;
    while (this.#bySource.length <= source) this.#bySource.push(undefined);
    this.#bySource[source] ??= new Lane<Item>();
    return this.#bySource[source] as Lane<Item>;
  }

  *all(): Generator<Item> {
    for (const lane of [this.any, ...this.#bySource]) if (lane !== undefined) yield* lane.all();
  }

  /** What stands in the bins of a source and a tag. */
  own(): Item[] {
    return this.#bySource.flatMap((lane) => (lane === undefined ? [] : [...lane.tagged()]));
  }
}

/** A posted receive, as matching sees it: its own link. */
export interface Posted extends Link<Posted> {
  /** The source's world rank, or ANY_SOURCE. */
  peer: number;
  tag: number;
  /** Set by {@link PostedReceives.post}: decides between bins. */
  order: number;
}

function headOf(bin: Bin<Posted> | undefined): Posted | null {
  return bin === undefined || bin.head === null ? null : bin.head.item;
}

/** The one posted first. */
function earlier(a: Posted | null, b: Posted | null): Posted | null {
  if (a === null) return b;
  if (b === null) return a;
  return a.order < b.order ? a : b;
}

/** Numbers receives in the order of posting, over all contexts. It counts to 2^53 and does not come round. */
export class PostingClock {
  last = 0;
}

/** Receives that wait for a message. Source and tag may be wildcards. */
export class PostedReceives {
  readonly #lanes = new Lanes<Posted>();
  readonly #clock: PostingClock;
  /** How many there are. */
  count = 0;
  /** The bin used last, and its lane's source: programs tend to stay with a source and tag. */
  #recent: Bin<Posted> = this.#lanes.any.any;
  #recentSource = ANY_SOURCE;

  constructor(clock: PostingClock = new PostingClock()) {
    this.#clock = clock;
  }

  post(receive: Posted): void {
    const { peer, tag } = receive;
    receive.order = ++this.#clock.last;
    this.count++;
    const recent = this.#recent;
    if (peer !== this.#recentSource || tag !== recent.tag || recent.retired)
      this.#remember(peer, tag);
    this.#recent.push(receive);
  }

  #remember(source: number, tag: number): void {
    const lane = this.#lanes.lane(source);
    this.#recentSource = source;
    this.#recent = tag === ANY_TAG ? lane.any : lane.bin(tag);
  }

  /** Takes out the receive that a message from `source` with `tag` belongs to. */
  match(source: number, tag: number): Posted | null {
    const recent = this.#recent;
    // The usual case: nothing is posted but to the bin that was used last.
    const found =
      recent.size === this.count ? this.#headOfRecent(source, tag) : this.peek(source, tag);
    if (found !== null) this.remove(found);
    return found;
  }

  #headOfRecent(source: number, tag: number): Posted | null {
    const recent = this.#recent;
    if (recent.head === null) return null;
    if (this.#recentSource !== source && this.#recentSource !== ANY_SOURCE) return null;
    return recent.tag === tag || recent.tag === ANY_TAG ? recent.head.item : null;
  }

  /** The same without taking it out. */
  peek(source: number, tag: number): Posted | null {
    const wild = this.#lanes.any;
    const lane = this.#lanes.find(source);
    let found: Posted | null = null;
    if (lane !== undefined && lane.count > 0)
      found = earlier(headOf(lane.find(tag)), headOf(lane.any));
    if (wild.count > 0) found = earlier(found, earlier(headOf(wild.find(tag)), headOf(wild.any)));
    return found;
  }

  remove(receive: Posted): void {
    if (receive.bin === null) return;
    unlink(receive);
    this.count--;
  }

  all(): Generator<Posted> {
    return this.#lanes.all();
  }

  /** All receives that could take a message from `source`, wildcards with them. */
  *from(source: number): Generator<Posted> {
    for (const lane of [this.#lanes.find(source), this.#lanes.any])
      if (lane !== undefined) yield* lane.all();
  }
}

/** A link of an item that stands in several bins. */
class OwnLink<Item> implements Link<Item> {
  readonly item: Item;
  next: Link<Item> | null = null;
  previous: Link<Item> | null = null;
  bin: Bin<Item> | null = null;
  /** The item's next link. */
  readonly more: OwnLink<Item> | null;

  constructor(item: Item, more: OwnLink<Item> | null) {
    this.item = item;
    this.more = more;
  }
}

/** A message that came before its receive, as matching sees it: its own link in the bin of (source, tag). */
export class Envelope implements Link<Envelope> {
  source: number;
  tag: number;
  next: Link<Envelope> | null = null;
  previous: Link<Envelope> | null = null;
  bin: Bin<Envelope> | null = null;
  /** Set by {@link UnexpectedMessages.add}: messages in the order of their arrival. */
  arrived = 0;
  /** Its links in bins of wildcards, where receives have asked for such. */
  links: OwnLink<Envelope> | null = null;

  constructor(source: number, tag: number) {
    this.source = source;
    this.tag = tag;
  }

  get item(): this {
    return this;
  }
}

/** Patterns with wildcards; (source, tag) has none. */
const SOURCE_ANY = 1;
const ANY_WITH_TAG = 2;
const ANY_ANY = 4;

/**
 * Messages that wait for a receive. They stand in the bins of a pattern with wildcards from the first
 * receive on that has such a pattern: most programs do not use all of them, and each costs a link.
 */
export class UnexpectedMessages<Message extends Envelope> {
  readonly #lanes = new Lanes<Envelope>();
  /** The patterns with wildcards that receives have asked for. */
  #patterns = 0;
  #arrived = 0;

  /** How many there are. */
  count = 0;

  add(message: Message): void {
    message.arrived = ++this.#arrived;
    this.#lanes.lane(message.source).bin(message.tag).push(message);
    this.#addTo(this.#patterns, message);
    this.count++;
  }

  #addTo(patterns: number, message: Envelope): void {
    if (patterns === 0) return;
    const own = this.#lanes.lane(message.source);
    const wild = this.#lanes.any;
    const push = (bin: Bin<Envelope>) => {
      message.links = new OwnLink(message, message.links);
      bin.push(message.links);
    };
    if (patterns & SOURCE_ANY) push(own.any);
    if (patterns & ANY_WITH_TAG) push(wild.bin(message.tag));
    if (patterns & ANY_ANY) push(wild.any);
  }

  /** Takes out the first message that a receive for (source, tag), wildcards allowed, gets. */
  take(source: number, tag: number): Message | null {
    const message = this.peek(source, tag);
    if (message !== null) this.remove(message);
    return message;
  }

  /** Takes out a message that is one of these. */
  remove(message: Message): void {
    unlink(message);
    for (let { links } = message; links !== null; links = links.more) unlink(links);
    this.count--;
  }

  /** The same without taking it out. */
  peek(source: number, tag: number): Message | null {
    if (this.count === 0) return null;
    if (source === ANY_SOURCE) this.#require(tag === ANY_TAG ? ANY_ANY : ANY_WITH_TAG);
    else if (tag === ANY_TAG) this.#require(SOURCE_ANY);
    const lane = this.#lanes.find(source);
    if (lane === undefined || lane.count === 0) return null;
    const bin = tag === ANY_TAG ? lane.any : lane.find(tag);
    return bin === undefined || bin.head === null ? null : (bin.head.item as Message);
  }

  /** The tag of the first message of a source that has one which fits. */
  findFrom(source: number, fits: (tag: number) => boolean): number | undefined {
    const lane = this.#lanes.find(source);
    if (lane === undefined) return undefined;
    for (const { tag } of lane.tagged()) if (fits(tag)) return tag;
    return undefined;
  }

  #require(pattern: number): void {
    if ((this.#patterns & pattern) !== 0) return;
    const all = this.#lanes.own();
    for (const message of all.sort((a, b) => a.arrived - b.arrived)) this.#addTo(pattern, message);
    this.#patterns |= pattern;
  }
}
