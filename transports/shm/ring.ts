/**
 * One direction between two processes: a ring of cells for headers and small bodies, a ring of bytes
 * for larger ones (docs/design/shm.md). The sequence number of a cell is written last and read first,
 * with an Atomics call wherever the processor does not keep that order by itself (ordering.ts).
 *
 * Neither end trusts the other: positions are kept in private memory, offsets are computed and never
 * read from the ring, a length is checked before it is used.
 */
import { addon } from '../../native/addon.ts';
import { MpiError } from '../../runtime/error.ts';
import type { Packet } from '../transport.ts';
import {
  CONTEXT_MAX,
  EXTENSION_WORDS,
  TAKE_ANY_TAG,
  TOOK_NOTHING,
  TOOK_OTHER,
} from '../transport.ts';
import {
  CELL,
  CELL_BYTES,
  CELL_WORDS,
  CELLS,
  DATA_ALIGNMENT,
  DATA_BYTES,
  DATA_HELD,
  INLINE_BYTES,
  MAX_BODY,
  REGION,
} from './layout.ts';
import { LOADS_IN_ORDER } from './ordering.ts';
import { WordAlias } from './word-alias.ts';

const CELL_MASK = CELLS - 1;
const DATA_MASK = DATA_BYTES - 1;
/** Bit 31 of `kindContext`: extension words stand at the body's place, the body in the data ring. */
const EXTENDED = 1 << 31;
/** Bit 30: with this packet the ring begins anew. */
const REWOUND = 1 << 30;
/** The receiver gives cells back when so many were taken: each store costs the sender a miss. */
const CELLS_HELD = CELLS / 4;
/** Credit is given back in pieces of at least this many bytes. */
const CREDIT_HELD = 64 * 1024;
/** Up to this many bytes a loop beats the call of TypedArray.set. */
const LOOP_BYTES = 12;

/** Int32 indices in the receiver's line. */
const CELLS_CONSUMED = 0;
const DATA_CONSUMED = 1;
const CREDIT_RETURNED = 2;

const { copy } = addon();

interface Views {
  line: Int32Array;
  claims: Int32Array;
  words: Int32Array;
  bytes: Uint8Array;
  data: Uint8Array;
}

function viewsOf(region: ArrayBuffer): Views {
  return {
    line: new Int32Array(region, REGION.receiverLine, 16),
    claims: new Int32Array(region, REGION.claimLine, 16),
    words: new Int32Array(region, REGION.cells, CELLS * CELL_WORDS),
    bytes: new Uint8Array(region, REGION.cells, CELLS * CELL_BYTES),
    data: new Uint8Array(region, REGION.data, DATA_BYTES),
  };
}

/** Where a body of `length` bytes goes when the data ring stands at `position`: never around its end. */
function placeOf(position: number, length: number): number {
  const at = position & DATA_MASK;
  return at + length > DATA_BYTES ? (position + DATA_BYTES - at) | 0 : position;
}

/** Where in the cells a body of `length` bytes begins: it ends where the header begins. */
function inlineAt(cell: number, length: number): number {
  return cell * 4 + INLINE_BYTES - ((length + 7) & -8);
}

/** Whether a cell holds the packet of this number; what is read after it is that packet's. */
function seen(words: Int32Array, at: number, sequence: number): boolean {
  return words[at] === sequence && (LOADS_IN_ORDER || Atomics.load(words, at) === sequence);
}

/** The next position at which the data ring's first byte stands. */
function ringStart(position: number): number {
  return (position + DATA_MASK) & ~DATA_MASK;
}

function roundUp(length: number): number {
  return (length + DATA_ALIGNMENT - 1) & -DATA_ALIGNMENT;
}

/** The writing end. */
export class RingSender {
  readonly claims: Int32Array;
  readonly #line: Int32Array;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #data: Uint8Array;
  readonly #alias = new WordAlias();
  /** The receiving end of the other direction: what it took is said with each packet. */
  reverse: RingReceiver | null = null;
  #position = 0;
  /** The position at which the ring was last begun anew. */
  #base = 0;
  #dataPosition = 0;
  /** The receiver's counters as they were last seen; read again only when room seems to run out. */
  #cellsConsumed = 0;
  #dataConsumed = 0;
  readonly #fenced: () => boolean;
  /** A plain store publishes. */
  #plain = false;

  /** @param fenced says whether the receiver issues the barriers, see doorbell.ts */
  constructor(region: ArrayBuffer, fenced: () => boolean = () => false) {
    this.#fenced = fenced;
    const views = viewsOf(region);
    this.#line = views.line;
    this.claims = views.claims;
    this.#words = views.words;
    this.#bytes = views.bytes;
    this.#data = views.data;
  }

  trySend(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array | null,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    const position = this.#position;
    let flags = 0;
    if (this.#cellsConsumed === position) flags = this.#rewind(position);
    else if (((position - this.#cellsConsumed) | 0) >= CELLS && !this.#hasRoom(position))
      return false;
    // Once a round: whether barriers are there shows only some time after the first one.
    if ((position & CELL_MASK) === CELL_MASK) this.#plain = this.#fenced();
    const words = this.#words;
    const cell = ((position - this.#base) & CELL_MASK) * CELL_WORDS;
    if (extension === null && length <= INLINE_BYTES) {
      words[cell + CELL.kindContext] = kind | (context << 8) | flags;
      this.#copyInline(inlineAt(cell, length), bytes, offset, length);
    } else {
      if (length > 0 && !this.#copyToData(bytes, offset, length)) return false;
      if (extension !== null) flags |= EXTENDED;
      words[cell + CELL.kindContext] = kind | (context << 8) | flags;
      if (extension !== null)
        for (let i = 0; i < EXTENSION_WORDS; i++) words[cell + CELL.extension + i] = extension[i];
    }
    words[cell + CELL.tag] = tag;
    words[cell + CELL.length] = length;
    const { reverse } = this;
    words[cell + CELL.acknowledged] = reverse === null ? 0 : reverse.position;
    const next = (position + 1) | 0;
    this.#position = next;
    if (this.#plain) words[cell + CELL.sequence] = next;
    else Atomics.store(words, cell + CELL.sequence, next);
    return true;
  }

  /**
   * Everything was taken: the ring begins anew at its first cell and first byte. Traffic to and fro
   * then stays in a few lines that are in the caches already.
   */
  #rewind(position: number): number {
    this.#base = position;
    this.#dataPosition = ringStart(this.#dataPosition);
    this.#dataConsumed = this.#dataPosition;
    return REWOUND;
  }

  #hasRoom(position: number): boolean {
    this.acknowledge(Atomics.load(this.#line, CELLS_CONSUMED));
    return ((position - this.#cellsConsumed) | 0) < CELLS;
  }

  /** The peer says that it took this many cells; what cannot be is not believed. */
  acknowledge(consumed: number): void {
    if (((consumed - this.#cellsConsumed) | 0) > 0 && ((this.#position - consumed) | 0) >= 0)
      this.#cellsConsumed = consumed;
  }

  creditReturned(): number {
    return Atomics.load(this.#line, CREDIT_RETURNED);
  }

  #copyInline(at: number, bytes: Uint8Array, offset: number, length: number): void {
    if (length === bytes.length && (length & 3) === 0) {
      const from = this.#alias.of(bytes);
      if (from !== null) {
        const words = this.#words;
        const start = at >>> 2;
        for (let i = 0; i < from.length; i++) words[start + i] = from[i];
        return;
      }
    }
    const to = this.#bytes;
    if (length <= LOOP_BYTES) for (let i = 0; i < length; i++) to[at + i] = bytes[offset + i];
    else if (length === bytes.length) to.set(bytes, at);
    else copy(to, at, bytes, offset, length);
  }

  #copyToData(bytes: Uint8Array, offset: number, length: number): boolean {
    const start = placeOf(this.#dataPosition, length);
    const end = (start + roundUp(length)) | 0;
    if (((end - this.#dataConsumed) | 0) > DATA_BYTES) {
      const consumed = Atomics.load(this.#line, DATA_CONSUMED);
      if (((consumed - this.#dataConsumed) | 0) > 0) this.#dataConsumed = consumed;
      if (((end - this.#dataConsumed) | 0) > DATA_BYTES) return false;
    }
    if (length === bytes.length) this.#data.set(bytes, start & DATA_MASK);
    else copy(this.#data, start & DATA_MASK, bytes, offset, length);
    this.#dataPosition = end;
    return true;
  }
}

/** The reading end; it is itself the packet that it delivers, so that a message costs no object. */
export class RingReceiver implements Packet {
  readonly claims: Int32Array;
  readonly extension = new Int32Array(EXTENSION_WORDS);
  kind = 0;
  context = 0;
  tag = 0;
  length = 0;
  /** Packets taken so far, modulo 2^32. */
  position = 0;
  /** The writing end of the other direction: it learns what the peer took. */
  forward: RingSender | null = null;
  /** @internal Read ahead of its use; stored so that the read is not optimized away. */
  touched = 0;
  readonly #line: Int32Array;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #data: Uint8Array;
  readonly #alias = new WordAlias();
  /** Views of bodies that came before, by place: traffic of one size makes them once. */
  readonly #bodies: (Uint8Array | undefined)[] = new Array(DATA_BYTES / DATA_ALIGNMENT).fill(
    undefined,
  );
  readonly #inlineBodies: (Uint8Array | undefined)[] = new Array(CELLS).fill(undefined);
  /** The position at which the sender last began the ring anew. */
  #base = 0;
  #dataPosition = 0;
  #cellsPublished = 0;
  #dataPublished = 0;
  #credit = 0;
  #creditPublished = 0;
  /** Byte index in the cells of the body being delivered, or -1: it lies in the data ring. */
  #inlineAt = 0;
  #bodyAt = 0;
  readonly #wake: () => void;

  /** `wake` is called after room or credit went back: the sender may sleep until there is some. */
  constructor(region: ArrayBuffer, wake: () => void) {
    this.#wake = wake;
    const views = viewsOf(region);
    this.#line = views.line;
    this.claims = views.claims;
    this.#words = views.words;
    this.#bytes = views.bytes;
    this.#data = views.data;
  }

  /**
   * {@link Channel.tryTake}. What a small packet takes is written out here, in one piece: V8 inlines
   * only so much, and each call that is left costs as much as the copy.
   */
  tryTake(kind: number, context: number, tag: number, to: Uint8Array): number {
    const words = this.#words;
    const { position } = this;
    const sequence = (position + 1) | 0;
    let cell = ((position - this.#base) & CELL_MASK) * CELL_WORDS;
    if (!seen(words, cell + CELL.sequence, sequence)) {
      if (!seen(words, CELL.sequence, sequence)) return TOOK_NOTHING;
      cell = 0;
    }
    const kindContext = words[cell + CELL.kindContext];
    if ((kindContext & ~REWOUND) !== (kind | (context << 8))) return TOOK_OTHER;
    const taken = words[cell + CELL.tag];
    const length = words[cell + CELL.length];
    if (taken !== tag && (tag !== TAKE_ANY_TAG || taken < 0)) return TOOK_OTHER;
    if (length < 0 || length > MAX_BODY || length > to.length) return TOOK_OTHER;
    this.tag = taken;
    if (length > INLINE_BYTES) return this.#takeLarge(cell, length, kindContext, to);
    if ((kindContext & REWOUND) !== 0) this.#rewound();
    const { forward } = this;
    if (forward !== null) forward.acknowledge(words[cell + CELL.acknowledged]);
    const from = inlineAt(cell, length);
    const alias = (length & 3) === 0 && to.length <= INLINE_BYTES ? this.#alias.of(to) : null;
    if (alias !== null) {
      const first = from >>> 2;
      const count = length >>> 2;
      for (let i = 0; i < count; i++) alias[i] = words[first + i];
    } else this.#copySmall(from, length, to);
    this.position = sequence;
    if (((sequence - this.#cellsPublished) | 0) >= CELLS_HELD) this.#publishCells();
    return length;
  }

  #copySmall(from: number, length: number, to: Uint8Array): void {
    this.length = length;
    this.#inlineAt = from;
    this.copyTo(to, 0);
  }

  #takeLarge(cell: number, length: number, kindContext: number, to: Uint8Array): number {
    this.length = length;
    this.#locate(cell, false, (kindContext & REWOUND) !== 0);
    this.copyTo(to, 0);
    this.advance();
    return length;
  }

  /** With the packet at this position the sender begins the ring anew. */
  #rewound(): void {
    this.#base = this.position;
    this.#dataPosition = ringStart(this.#dataPosition);
    // The sender knows: that is why it did so.
    this.#cellsPublished = this.position;
    this.#dataPublished = this.#dataPosition;
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
      throw new MpiError('ERR_PROTOCOL', `a packet claims a body of ${length >>> 0} bytes`);
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
    const cell = ((position - this.#base) & CELL_MASK) * CELL_WORDS;
    if (seen(words, cell + CELL.sequence, sequence)) return cell;
    return seen(words, CELL.sequence, sequence) ? 0 : -1;
  }

  /** Finds the body of the packet in a cell, and takes its place in the data ring. */
  #locate(cell: number, inline: boolean, rewound: boolean): void {
    if (rewound) this.#rewound();
    if (this.forward !== null) this.forward.acknowledge(this.#words[cell + CELL.acknowledged]);
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
      if (length > 0) to.set(this.#bodyIn(this.#bodies, this.#data, start, start >>> 6), at);
      return;
    }
    const whole = at === 0 && (length & 3) === 0 && to.length <= INLINE_BYTES;
    const alias = whole ? this.#alias.of(to) : null;
    if (alias !== null) {
      const words = this.#words;
      const first = from >>> 2;
      const count = length >>> 2;
      for (let i = 0; i < count; i++) alias[i] = words[first + i];
    } else if (length > LOOP_BYTES)
      to.set(this.#bodyIn(this.#inlineBodies, this.#bytes, from, from >>> 7), at);
    else {
      const bytes = this.#bytes;
      for (let i = 0; i < length; i++) to[at + i] = bytes[from + i];
    }
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

  /** The packet was taken: its room may go back to the sender. */
  advance(): void {
    this.position = (this.position + 1) | 0;
    if (((this.position - this.#cellsPublished) | 0) >= CELLS_HELD) this.#publishCells();
    if (((this.#dataPosition - this.#dataPublished) | 0) >= DATA_HELD) this.#publishData();
  }

  returnCredit(bytes: number): void {
    this.#credit = (this.#credit + bytes) | 0;
    if (((this.#credit - this.#creditPublished) | 0) >= CREDIT_HELD) this.#publishCredit();
  }

  flush(): void {
    if (this.position !== this.#cellsPublished) this.#publishCells();
    if (this.#dataPosition !== this.#dataPublished) this.#publishData();
    if (this.#credit !== this.#creditPublished) this.#publishCredit();
  }

  #publishCells(): void {
    this.#cellsPublished = this.position;
    Atomics.store(this.#line, CELLS_CONSUMED, this.position);
    this.#wake();
  }

  #publishData(): void {
    this.#dataPublished = this.#dataPosition;
    Atomics.store(this.#line, DATA_CONSUMED, this.#dataPosition);
    this.#wake();
  }

  #publishCredit(): void {
    this.#creditPublished = this.#credit;
    Atomics.store(this.#line, CREDIT_RETURNED, this.#credit);
    this.#wake();
  }
}
