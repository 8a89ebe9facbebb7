/**
 * The writing end of one direction between two processes: a ring of cells for headers and small bodies,
 * a ring of bytes for larger ones (docs/internals/shm.md). The sequence number of a cell is written last,
 * by an Atomics call where somebody may sleep and no barrier of his own looks after it (doorbell.ts).
 *
 * Neither end trusts the other: positions are kept in private memory, offsets are computed and never
 * read from the ring, a length is checked before it is used.
 */
import { addon } from '../../native/addon.ts';
import { lengthOf, NO_BYTES } from '../../runtime/base/bytes.ts';
import { EXTENSION_WORDS, type Noncontiguous } from '../transport.ts';
import { BodyAlias, copyLongs } from './body-alias.ts';
import { CELL, CELL_MASK, CELL_WORDS, CELLS, DATA_BYTES, INLINE_BYTES } from './layout.ts';
import {
  CELLS_CONSUMED,
  CREDIT_RETURNED,
  DATA_CONSUMED,
  DATA_MASK,
  EXTENDED,
  inlineAt,
  LOOP_BYTES,
  placeOf,
  REWOUND,
  RING_STALE_PACKETS,
  ringStart,
  roundUp,
  viewsOf,
} from './region.ts';
import type { RingReceiver } from './ring-receiver.ts';

/**
 * Small packets that go in a row by the short path. Then the sender checks the room again, and begins the
 * ring anew if it is empty. The cells of such packets stay in the caches of both ends.
 */
const SHORT_RUN = 8;
/** Instead of the flags of a header. */
const FULL = -1;

export class RingSender {
  readonly claims: Int32Array;
  readonly #line: Int32Array;
  readonly #words: Int32Array;
  readonly #longs: BigInt64Array;
  readonly #bytes: Uint8Array;
  readonly #data: Uint8Array;
  readonly #alias = new BodyAlias();
  /** What has the body of the packet being sent, where its bytes do not lie side by side. */
  #packed: Noncontiguous | null = null;
  /**
   * The receiving end of the other direction. Each packet says how much this end took, and the receiving
   * end hears how much the peer took.
   */
  reverse: RingReceiver | null = null;
  #position = 0;
  /** At this position the short path ends. */
  #turn = 0;
  /** The position at which the ring was last begun anew. */
  #base = 0;
  #dataPosition = 0;
  /** The receiver's counters as they were last seen; read again only when room seems to run out. */
  #cellsConsumed = 0;
  #dataConsumed = 0;
  /** No cell holds a sequence number from before this position. */
  #swept: number;
  readonly #stale: number;
  /** What the peer's packets said last to have been taken, and the position at which it said so. */
  #heard = 0;
  #heardAt: number;
  /** This many further packets of the peer may have lain in its ring for too long to be believed. */
  #doubted = 0;
  readonly #fenced: () => boolean;
  #fencesAsked = 0;
  /** 1: a plain store publishes. (A number: V8 tests a boolean field for all that is true or false.) */
  #plain = 0;

  /**
   * @param fenced says whether the receiver issues the barriers, see doorbell.ts
   * @param start the position to begin at, at both ends
   * @param stale see {@link RING_STALE_PACKETS}
   */
  constructor(
    region: ArrayBuffer,
    fenced: () => boolean = () => false,
    start = 0,
    stale = RING_STALE_PACKETS,
  ) {
    this.#fenced = fenced;
    this.#position = start;
    this.#turn = start;
    this.#base = start;
    this.#cellsConsumed = start;
    this.#swept = start;
    this.#heardAt = start;
    this.#stale = stale;
    const views = viewsOf(region);
    this.#line = views.line;
    this.claims = views.claims;
    this.#words = views.words;
    this.#longs = views.longs;
    this.#bytes = views.bytes;
    this.#data = views.data;
  }

  /**
   * {@link Channel.trySendAgain}. What a small buffer takes that was sent before is written out here: V8
   * inlines only so much, and each call that is left costs as much as the copy.
   */
  trySendAgain(kind: number, context: number, tag: number, bytes: unknown): number {
    const { reverse } = this;
    const alias = this.#alias;
    const position = this.#position;
    const from = alias.longs;
    const count = from.length;
    if (alias.bytes !== bytes || !alias.isThere || count === 0 || reverse === null) return 0;
    const length = count << 3;
    if (position === this.#turn)
      return this.#sendAtTurn(kind, context, tag, bytes as Uint8Array, length);
    const words = this.#words;
    const longs = this.#longs;
    const cell = ((position - this.#base) & CELL_MASK) * CELL_WORDS;
    const first = ((cell * 4 + INLINE_BYTES) >>> 3) - count;
    if (count === 1) longs[first] = from[0];
    else copyLongs(longs, first, from, 0, count);
    words[cell + CELL.acknowledged] = reverse.position;
    words[cell + CELL.kindContext] = kind | (context << 8);
    words[cell + CELL.tag] = tag;
    words[cell + CELL.length] = length;
    const next = (position + 1) | 0;
    this.#position = next;
    if (this.#plain === 1) words[cell + CELL.sequence] = next;
    else this.#publish(cell + CELL.sequence, next);
    return length;
  }

  /**
   * Where the short path ends: as any packet, and then the short path has room for some more. A call in the
   * middle of the short path would make it write down all that it has in registers.
   */
  #sendAtTurn(
    kind: number,
    context: number,
    tag: number,
    bytes: Uint8Array,
    length: number,
  ): number {
    if (!this.trySendExtended(kind, context, tag, null, bytes, 0, length)) return 0;
    const room = CELLS - ((this.#position - this.#cellsConsumed) | 0);
    this.#turn = (this.#position + Math.min(SHORT_RUN, room)) | 0;
    return length;
  }

  /** {@link Channel.trySend} */
  trySend(
    kind: number,
    context: number,
    tag: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    const whole = offset === 0 && this.#alias.longs.length << 3 === length;
    if (whole && this.trySendAgain(kind, context, tag, bytes) > 0) return true;
    return this.trySendExtended(kind, context, tag, null, bytes, offset, length);
  }

  /** Any packet, with extension words or without. */
  trySendExtended(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array | null,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    const position = this.#position;
    const { reverse } = this;
    let flags = this.#makeRoom(position);
    if (flags === FULL) return false;
    const words = this.#words;
    const cell = ((position - this.#base) & CELL_MASK) * CELL_WORDS;
    if (extension === null && length <= INLINE_BYTES) {
      this.#copyInline(inlineAt(cell, length), bytes, offset, length);
    } else {
      if (length > 0 && !this.#copyToData(bytes, offset, length)) return false;
      if (extension !== null) {
        flags |= EXTENDED;
        for (let i = 0; i < EXTENSION_WORDS; i++) words[cell + CELL.extension + i] = extension[i];
      }
    }
    words[cell + CELL.acknowledged] = reverse === null ? 0 : reverse.position;
    words[cell + CELL.kindContext] = kind | (context << 8) | flags;
    words[cell + CELL.tag] = tag;
    words[cell + CELL.length] = length;
    const next = (position + 1) | 0;
    this.#position = next;
    this.#turn = next;
    if (this.#plain === 1) words[cell + CELL.sequence] = next;
    else this.#publish(cell + CELL.sequence, next);
    return true;
  }

  /** {@link Channel.trySendPacked}: the body is gathered in the ring itself. */
  trySendPacked(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array | null,
    body: Noncontiguous,
    offset: number,
    length: number,
  ): boolean {
    this.#packed = body;
    try {
      return this.trySendExtended(kind, context, tag, extension, NO_BYTES, offset, length);
    } finally {
      this.#packed = null;
    }
  }

  /** Room for one more packet. @returns flags of its header, or FULL */
  #makeRoom(position: number): number {
    const { reverse } = this;
    if (reverse !== null && reverse.acknowledged !== this.#heard) this.#hear(reverse.acknowledged);
    if (this.#cellsConsumed === position) return this.#rewind(position);
    const full = ((position - this.#cellsConsumed) | 0) >= CELLS && !this.#hasRoom(position);
    return full ? FULL : 0;
  }

  /** Publishes a packet where the receiver may not issue barriers. */
  #publish(at: number, next: number): void {
    Atomics.store(this.#words, at, next);
    // Once a round: whether barriers are there shows only some time after the first one.
    if (((next - this.#fencesAsked) | 0) < CELLS) return;
    this.#fencesAsked = next;
    if (this.#fenced()) this.#plain = 1;
  }

  /**
   * Everything was taken: the ring begins anew at its first cell and first byte. Traffic to and fro
   * then stays in a few lines that are in the caches already.
   */
  #rewind(position: number): number {
    if ((position - this.#swept) >>> 0 >= this.#stale) this.#sweep(position);
    this.#base = position;
    this.#dataPosition = ringStart(this.#dataPosition);
    this.#dataConsumed = this.#dataPosition;
    return REWOUND;
  }

  /**
   * The cells that traffic to and fro leaves alone hold sequence numbers of long ago. The ring is empty:
   * no number that the receiver waits for is written here.
   */
  #sweep(position: number): void {
    this.#swept = position;
    for (let cell = 0; cell < CELLS; cell++)
      this.#words[cell * CELL_WORDS + CELL.sequence] = position;
  }

  /**
   * A packet of the peer says how many packets it took. Only news counts: an old number may be as old as
   * the count itself. After a long silence that holds for all packets that lay in the peer's ring
   * meanwhile.
   */
  #hear(consumed: number): void {
    const position = this.#position;
    if ((position - this.#heardAt) >>> 0 >= this.#stale) this.#doubted = CELLS;
    this.#heard = consumed;
    this.#heardAt = position;
    if (this.#doubted > 0) this.#doubted--;
    else this.#acknowledge(consumed);
  }

  #hasRoom(position: number): boolean {
    this.#acknowledge(Atomics.load(this.#line, CELLS_CONSUMED));
    return ((position - this.#cellsConsumed) | 0) < CELLS;
  }

  /** The peer says that it took this many cells. An impossible number is not believed. */
  #acknowledge(consumed: number): void {
    if (((consumed - this.#cellsConsumed) | 0) > 0 && ((this.#position - consumed) | 0) >= 0)
      this.#cellsConsumed = consumed;
  }

  creditReturned(): number {
    return Atomics.load(this.#line, CREDIT_RETURNED);
  }

  #copyInline(at: number, bytes: Uint8Array, offset: number, length: number): void {
    const whole = length === lengthOf(bytes);
    if (whole && this.#copyAlias(at, bytes, length)) return;
    const to = this.#bytes;
    if (this.#packed !== null) this.#packed.pack(offset, length, to, at);
    else if (length <= LOOP_BYTES) for (let i = 0; i < length; i++) to[at + i] = bytes[offset + i];
    else if (whole) to.set(bytes, at);
    else addon().copy(to, at, bytes, offset, length);
  }

  #copyAlias(at: number, bytes: Uint8Array, length: number): boolean {
    const alias = this.#alias;
    alias.use(bytes);
    const { longs, words } = alias;
    if (longs.length * 8 === length) {
      copyLongs(this.#longs, at >>> 3, longs, 0, longs.length);
    } else if (words.length * 4 === length) {
      const to = this.#words;
      for (let i = 0; i < words.length; i++) to[(at >>> 2) + i] = words[i];
    } else return false;
    return true;
  }

  #copyToData(bytes: Uint8Array, offset: number, length: number): boolean {
    const start = placeOf(this.#dataPosition, length);
    const end = (start + roundUp(length)) | 0;
    if (((end - this.#dataConsumed) | 0) > DATA_BYTES) {
      const consumed = Atomics.load(this.#line, DATA_CONSUMED);
      const possible = ((this.#dataPosition - consumed) | 0) >= 0;
      if (possible && ((consumed - this.#dataConsumed) | 0) > 0) this.#dataConsumed = consumed;
      if (((end - this.#dataConsumed) | 0) > DATA_BYTES) return false;
    }
    if (length === lengthOf(bytes)) this.#data.set(bytes, start & DATA_MASK);
    else if (this.#packed !== null)
      this.#packed.pack(offset, length, this.#data, start & DATA_MASK);
    else addon().copy(this.#data, start & DATA_MASK, bytes, offset, length);
    this.#dataPosition = end;
    return true;
  }
}
