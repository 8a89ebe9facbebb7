/**
 * The reading end of one direction between two processes (docs/internals/shm.md). A cell's sequence number
 * is read first, with an Atomics call where the processor does not keep loads in order by itself.
 *
 * Neither end trusts the other, see ring-sender.ts.
 */
import { hasRoomFor, lengthOf, store } from '../../runtime/base/bytes.ts';
import { MpiError } from '../../runtime/base/error.ts';
import { pause } from '../../runtime/base/pause.ts';
import { acquire } from '../ordering.ts';
import type { Noncontiguous, Packet } from '../transport.ts';
import {
  CONTEXT_MAX,
  CREDIT_DUE,
  EXTENSION_WORDS,
  TAKE_ANY_TAG,
  TOOK_NOTHING,
  TOOK_OTHER,
} from '../transport.ts';
import { BodyAlias, copyLongs } from './body-alias.ts';
import {
  CELL,
  CELL_MASK,
  CELL_WORDS,
  CELLS,
  DATA_ALIGNMENT,
  DATA_BYTES,
  DATA_HELD,
  HEADER_LINE_LONGS,
  INLINE_BYTES,
  MAX_BODY,
} from './layout.ts';
import {
  CELLS_CONSUMED,
  CREDIT_RETURNED,
  DATA_CONSUMED,
  DATA_MASK,
  inlineAt,
  LOOP_BYTES,
  placeOf,
  REWOUND,
  RING_STALE_BYTES,
  RING_STALE_PACKETS,
  ringStart,
  roundUp,
  viewsOf,
} from './region.ts';

/**
 * The receiver gives cells back once it has taken this many, because each such store costs the sender a
 * cache miss.
 */
const CELLS_HELD = CELLS / 4;
/**
 * The lines of so many packets are asked for at once, less one: what has come of them travels together. A
 * processor that meets one after the other waits for each, since a packet has more instructions than it looks
 * ahead.
 */
const GROUP_MASK = 7;

/** This object is itself the packet that it delivers, so a message costs no object. */
export class RingReceiver implements Packet {
  readonly claims: Int32Array;
  readonly extension = new Int32Array(EXTENSION_WORDS);
  kind = 0;
  context = 0;
  tag = 0;
  length = 0;
  /** Packets taken so far, modulo 2^32. */
  position = 0;
  /**
   * How many packets of this rank the peer says to have taken. The ring-sender of the other direction
   * checks that.
   */
  acknowledged = 0;
  /** @internal Read ahead of its use; stored so that the read is not optimized away. */
  touched = 0;
  readonly #line: Int32Array;
  readonly #words: Int32Array;
  readonly #longs: BigInt64Array;
  readonly #bytes: Uint8Array;
  readonly #data: Uint8Array;
  readonly #alias = new BodyAlias();
  /** Views of bodies that came before, by place: traffic of one size makes them once. */
  readonly #bodies: (Uint8Array | undefined)[] = new Array(DATA_BYTES / DATA_ALIGNMENT).fill(
    undefined,
  );
  readonly #inlineBodies: (Uint8Array | undefined)[] = new Array(CELLS).fill(undefined);
  /** The position at which the sender last began the ring anew. */
  #base = 0;
  #dataPosition = 0;
  /**
   * The position up to which the sender knows that packets were taken: from the line, or because the sender
   * began the ring anew.
   */
  #cellsPublished = 0;
  #dataPublished = 0;
  /** What the line says. */
  #cellsInLine = 0;
  #dataInLine = 0;
  #credit = 0;
  #creditPublished = 0;
  /** Byte index in the cells of the body being delivered, or -1: it lies in the data ring. */
  #inlineAt = 0;
  #bodyAt = 0;
  readonly #wake: () => void;

  /**
   * @param wake is called after room or credit went back: the sender may sleep until there is some
   * @param start the position to begin at, at both ends
   */
  constructor(region: ArrayBuffer, wake: () => void, start = 0) {
    this.#wake = wake;
    this.position = start;
    this.#base = start;
    this.#cellsPublished = start;
    this.#cellsInLine = start;
    const views = viewsOf(region);
    this.#line = views.line;
    this.claims = views.claims;
    this.#words = views.words;
    this.#longs = views.longs;
    this.#bytes = views.bytes;
    this.#data = views.data;
  }

  /**
   * {@link Channel.tryTake}. What can be found out before the packet is there, is; and what a body takes
   * that goes into a buffer used before is written out here: V8 inlines only so much.
   */
  tryTake(kind: number, context: number, tag: number, to: unknown, looks: number): number {
    const words = this.#words;
    const { position } = this;
    const sequence = (position + 1) | 0;
    const alias = this.#alias;
    const body = alias.longs;
    const count = body.length;
    const expected = alias.bytes === to && alias.isThere && tag >= 0 ? count << 3 : -1;
    const header = kind | (context << 8);
    let cell = ((position - this.#base) & CELL_MASK) * CELL_WORDS;
    let touched = 0;
    while (words[cell + CELL.sequence] !== sequence) {
      if (count > HEADER_LINE_LONGS) touched = words[cell];
      if (words[CELL.sequence] === sequence) {
        cell = 0;
        break;
      }
      if (--looks <= 0) return TOOK_NOTHING;
      touched ^= pause();
    }
    acquire(words, cell + CELL.sequence);
    const flags = words[cell + CELL.kindContext] ^ header;
    if (
      (flags & ~REWOUND) !== 0 ||
      words[cell + CELL.tag] !== tag ||
      words[cell + CELL.length] !== expected
    )
      return this.#takeOther(cell, header, tag, to);
    if (flags !== 0) this.#rewound();
    this.touched = touched;
    const longs = this.#longs;
    const first = ((cell * 4 + INLINE_BYTES) >>> 3) - count;
    if (count === 1) body[0] = longs[first];
    else copyLongs(body, 0, longs, first, count);
    this.acknowledged = words[cell + CELL.acknowledged];
    this.tag = tag;
    this.position = sequence;
    if ((sequence & GROUP_MASK) === 0) this.#beginGroup(sequence);
    return expected;
  }

  /** A group of packets was taken. */
  #beginGroup(position: number): void {
    if (((position - this.#cellsPublished) | 0) >= CELLS_HELD) this.#publishCells();
    const words = this.#words;
    const first = position - this.#base;
    let touched = 0;
    for (let i = 0; i <= GROUP_MASK; i++)
      touched ^= words[((first + i) & CELL_MASK) * CELL_WORDS + CELL.sequence];
    this.touched = touched;
  }

  /** The packet in a cell, if it is one that was asked for. */
  #takeOther(cell: number, header: number, tag: number, to: unknown): number {
    const words = this.#words;
    const kindContext = words[cell + CELL.kindContext];
    if ((kindContext & ~REWOUND) !== header) return TOOK_OTHER;
    const taken = words[cell + CELL.tag];
    const length = words[cell + CELL.length];
    // No message of this package has a negative tag: a receive of any tag does not mean such a packet.
    if (taken < 0 || (taken !== tag && tag !== TAKE_ANY_TAG)) return TOOK_OTHER;
    if (length < 0 || length > MAX_BODY || !hasRoomFor(to, length)) return TOOK_OTHER;
    this.tag = taken;
    this.length = length;
    this.#locate(cell, length <= INLINE_BYTES, (kindContext & REWOUND) !== 0);
    this.copyTo(to as Uint8Array, 0);
    this.advance();
    return length;
  }

  /** With the packet at this position the sender begins the ring anew. */
  #rewound(): void {
    this.#base = this.position;
    this.#dataPosition = ringStart(this.#dataPosition);
    // The sender knows that: therefore it began anew.
    this.#cellsPublished = this.position;
    this.#dataPublished = this.#dataPosition;
    if ((this.position - this.#cellsInLine) >>> 0 >= RING_STALE_PACKETS) this.#publishCells();
    if ((this.#dataPosition - this.#dataInLine) >>> 0 >= RING_STALE_BYTES) this.#publishData();
  }

  /**
   * Whether a packet is there; its header is then in this object's fields.
   * @throws MpiError ERR_PROTOCOL where the cell's content cannot be ours
   */
  next(): boolean {
    const words = this.#words;
    const cell = this.#find();
    if (cell < 0) return false;
    const kindContext = words[cell + CELL.kindContext];
    const length = words[cell + CELL.length];
    this.kind = kindContext & 0xff;
    this.context = (kindContext >>> 8) & CONTEXT_MAX;
    this.tag = words[cell + CELL.tag];
    if (length < 0 || length > MAX_BODY)
      throw new MpiError(
        'ERR_PROTOCOL',
        `a packet claims a body of ${length >>> 0} bytes: let all ranks run the same version of dreg-mpi`,
      );
    this.length = length;
    const inline = kindContext >= 0 && length <= INLINE_BYTES;
    this.#locate(cell, inline, (kindContext & REWOUND) !== 0);
    if (kindContext < 0)
      for (let i = 0; i < EXTENSION_WORDS; i++)
        this.extension[i] = words[cell + CELL.extension + i];
    return true;
  }

  /** Where the next packet stands, as an Int32 index: after the one before it, or at the start; or -1. */
  #find(): number {
    const words = this.#words;
    const { position } = this;
    const sequence = (position + 1) | 0;
    let cell = ((position - this.#base) & CELL_MASK) * CELL_WORDS;
    if (words[cell + CELL.sequence] !== sequence) {
      if (words[CELL.sequence] !== sequence) return -1;
      cell = 0;
    }
    acquire(words, cell + CELL.sequence);
    return cell;
  }

  /** Finds the body of the packet in a cell, and takes its place in the data ring. */
  #locate(cell: number, inline: boolean, rewound: boolean): void {
    if (rewound) this.#rewound();
    this.acknowledged = this.#words[cell + CELL.acknowledged];
    if (inline) {
      this.#inlineAt = inlineAt(cell, this.length);
      this.touched = this.#words[this.#inlineAt >>> 2];
      return;
    }
    this.#inlineAt = -1;
    if (this.length === 0) return;
    this.#bodyAt = placeOf(this.#dataPosition, this.length);
    this.#dataPosition = (this.#bodyAt + roundUp(this.length)) | 0;
    // The line is fetched from the sender's core while the copy is being prepared.
    this.touched = this.#data[this.#bodyAt & DATA_MASK];
  }

  copyTo(to: Uint8Array, at: number): void {
    const length = this.length;
    const from = this.#inlineAt;
    if (from < 0) {
      const start = this.#bodyAt & DATA_MASK;
      if (length > 0) store(to, this.#bodyIn(this.#bodies, this.#data, start, start >>> 6), at);
      return;
    }
    if (at === 0 && lengthOf(to) <= INLINE_BYTES && this.#copyToAlias(to, from, length)) return;
    if (length > LOOP_BYTES)
      store(to, this.#bodyIn(this.#inlineBodies, this.#bytes, from, from >>> 7), at);
    else {
      const bytes = this.#bytes;
      for (let i = 0; i < length; i++) to[at + i] = bytes[from + i];
    }
  }

  unpackTo(to: Noncontiguous, offset: number): void {
    const from = this.#inlineAt;
    if (from >= 0) to.unpack(offset, this.length, this.#bytes, from);
    else to.unpack(offset, this.length, this.#data, this.#bodyAt & DATA_MASK);
  }

  /** Copies a body from the cell into a small buffer that has an alias; false: it has none. */
  #copyToAlias(to: Uint8Array, from: number, length: number): boolean {
    const alias = this.#alias;
    alias.use(to);
    const { longs, words } = alias;
    if ((length & 7) === 0 && longs.length * 8 >= length) {
      copyLongs(longs, 0, this.#longs, from >>> 3, length >>> 3);
    } else if ((length & 3) === 0 && words.length * 4 >= length) {
      const source = this.#words;
      for (let i = 0; i < length >>> 2; i++) words[i] = source[(from >>> 2) + i];
    } else return false;
    return true;
  }

  /** A view of the body at `start`: the one made last time where the length is the same. */
  #bodyIn(
    views: (Uint8Array | undefined)[],
    memory: Uint8Array,
    start: number,
    slot: number,
  ): Uint8Array {
    let body = views[slot];
    if (body === undefined || body.length !== this.length) {
      body = memory.subarray(start, start + this.length);
      views[slot] = body;
    }
    return body;
  }

  /** The packet was taken. Its room may go back to the sender. */
  advance(): void {
    const position = (this.position + 1) | 0;
    this.position = position;
    if ((position & GROUP_MASK) === 0) this.#beginGroup(position);
    if (((this.#dataPosition - this.#dataPublished) | 0) >= DATA_HELD) this.#publishData();
  }

  returnCredit(credit: number): void {
    this.#credit = (this.#credit + credit) | 0;
    if (((this.#credit - this.#creditPublished) & CREDIT_DUE) !== 0) this.#publishCredit();
  }

  flush(): void {
    if (this.position !== this.#cellsPublished) this.#publishCells();
    if (this.#dataPosition !== this.#dataPublished) this.#publishData();
    if (this.#credit !== this.#creditPublished) this.#publishCredit();
  }

  #publishCells(): void {
    this.#cellsPublished = this.position;
    this.#cellsInLine = this.position;
    Atomics.store(this.#line, CELLS_CONSUMED, this.position);
    this.#wake();
  }

  #publishData(): void {
    this.#dataPublished = this.#dataPosition;
    this.#dataInLine = this.#dataPosition;
    Atomics.store(this.#line, DATA_CONSUMED, this.#dataPosition);
    this.#wake();
  }

  #publishCredit(): void {
    this.#creditPublished = this.#credit;
    Atomics.store(this.#line, CREDIT_RETURNED, this.#credit);
    this.#wake();
  }
}
