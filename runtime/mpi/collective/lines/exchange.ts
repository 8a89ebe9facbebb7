/**
 * Data movement on control lines: some ranks offer bytes, and each rank copies what it needs of them. It is broadcast, gather,
 * scatter, allgather and all-to-all, which differ in who offers and who needs what.
 *
 * A short offer lies in its line, or in its slot's data. A long one goes in chunks, of which a few are under way at a time; or,
 * where all who offer do so from memory that the others map, the others copy from there.
 */
import type { MappedMemory } from '../../../../transports/shared-block.ts';
import { isBytes } from '../../../base/bytes.ts';
import type { Payload } from '../../datatype/data.ts';
import type { Signature } from '../signature.ts';
import { pack, unpack } from './copies.ts';
import { INLINE_BYTES, LINE, SLOT_BYTES } from './layout.ts';
import type { Lines } from './lines.ts';
import { AHEAD_MAX, LineOperation } from './operation.ts';
import { ALL, NONE } from './slots.ts';

/** From so many bytes on it is worth a round to ask whether memory is mapped. */
export const MAPPED_MIN = 32 * 1024;
/** Rounds before the first chunk of a long offer: where it lies; and that it is not needed any more. */
const TALK = 2;
const TWO_32 = 2 ** 32;

/** Bytes of a member's offer, and where they go. */
export interface Need {
  readonly member: number;
  readonly at: number;
  readonly length: number;
  readonly to: Payload;
  readonly toAt: number;
}

export interface ExchangePlan {
  readonly signature: Signature;
  /** Whose offers are read at any rank: of one rank, or ALL. */
  readonly from: number;
  /** This rank's offer; null where it offers nothing. */
  readonly offer: Payload | null;
  /** Bytes of each offer. */
  readonly bytes: number;
  /** What this rank reads. */
  readonly needs: readonly Need[];
  /** The offer is a copy of what was there when the operation was made. */
  readonly once?: boolean;
  /** What it does first, or last, on its own. */
  readonly own?: (() => void) | null;
}

export class LineExchange extends LineOperation {
  readonly #plan: ExchangePlan;
  readonly #lines: Lines;
  /** Bytes in one round; rounds before the first of them. */
  readonly #chunk: number;
  readonly #talk: number;
  #mapped: MappedMemory | null = null;

  constructor(lines: Lines, plan: ExchangePlan) {
    super(lines, plan.signature);
    const { bytes, from } = plan;
    this.#lines = lines;
    this.#plan = plan;
    this.#chunk = bytes <= INLINE_BYTES ? INLINE_BYTES : SLOT_BYTES;
    this.needsAreas = bytes > INLINE_BYTES;
    this.#talk = bytes >= MAPPED_MIN ? TALK : 0;
    this.rounds = this.#talk + Math.max(1, Math.ceil(bytes / this.#chunk));
    this.#settleFrom(from);
    if (this.#talk > 0) this.from = ALL;
    else this.offers = plan.offer !== null;
    this.ahead = this.#talk > 0 ? 1 : AHEAD_MAX;
  }

  override get isShort(): boolean {
    return super.isShort && this.#plan.once !== true;
  }

  /** Whoever needs nothing waits for nobody. */
  #settleFrom(from: number): void {
    this.from = this.#plan.needs.length > 0 || from === ALL ? from : NONE;
  }

  protected write(round: number): void {
    if (round === 0) this.#plan.own?.();
    if (round >= this.#talk) this.#writeChunk(round);
    else if (round === 0) this.#say();
  }

  #writeChunk(round: number): void {
    const { offer, bytes } = this.#plan;
    if (offer === null) return;
    const { slots } = this;
    const start = (round - this.#talk) * this.#chunk;
    const length = Math.min(bytes - start, this.#chunk);
    const number = (this.first + round) | 0;
    pack(offer, start, length, slots.bytes, this.#at(number, slots.rank));
  }

  #at(number: number, member: number): number {
    const { slots } = this;
    return this.#plan.bytes <= INLINE_BYTES
      ? slots.inlineAt(number, member)
      : slots.dataAt(number, member);
  }

  /** Where the offer lies, if the others map it. */
  #say(): void {
    const { offer } = this.#plan;
    const { words, rank } = this.slots;
    const at = this.slots.lineAt(this.first, rank) + LINE.payload;
    this.#mapped = offer !== null && isBytes(offer) ? this.#lines.exportMemory(offer) : null;
    const offset = this.#mapped?.offset ?? 0;
    words[at] = offer === null || this.#mapped !== null ? 1 : 0;
    words[at + 1] = (offset % TWO_32) | 0;
    words[at + 2] = Math.floor(offset / TWO_32);
  }

  protected take(round: number): void {
    if (round >= this.#talk) this.#readChunk(round);
    else if (round === 0) this.#readMapped();
    else this.#release();
  }

  #readChunk(round: number): void {
    const { slots } = this;
    const start = (round - this.#talk) * this.#chunk;
    const number = (this.first + round) | 0;
    const { needs, bytes } = this.#plan;
    const end = Math.min(start + this.#chunk, bytes);
    for (let i = 0; i < needs.length; i++) {
      const { member, at, length, to, toAt } = needs[i];
      const first = Math.max(at, start);
      const count = Math.min(at + length, end) - first;
      if (count > 0)
        unpack(to, toAt + first - at, count, slots.bytes, this.#at(number, member) + first - start);
    }
  }

  /** All have said where their offers lie. */
  #readMapped(): void {
    const { slots } = this;
    const { words, size } = slots;
    for (let member = 0; member < size; member++)
      if (words[slots.lineAt(this.first, member) + LINE.payload] !== 1) {
        this.#goInChunks();
        return;
      }
    for (const { member, at, length, to, toAt } of this.#plan.needs) {
      const line = slots.lineAt(this.first, member) + LINE.payload;
      const offset = (words[line + 1] >>> 0) + words[line + 2] * TWO_32;
      this.#lines.forEachMapped(offset + at, length, (window, from, done, count) =>
        unpack(to, toAt + done, count, window, from),
      );
    }
    // What is left is to say so.
    this.rounds = TALK;
  }

  #goInChunks(): void {
    this.#release();
    this.#settleFrom(this.#plan.from);
    this.offers = this.#plan.offer !== null;
    this.ahead = AHEAD_MAX;
    this.goOnWith(TALK);
  }

  #release(): void {
    this.#mapped?.hold.release();
    this.#mapped = null;
  }

  override end(...outcome: Parameters<LineOperation['end']>): void {
    this.#release();
    super.end(...outcome);
  }
}
