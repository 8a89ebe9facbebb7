/**
 * Data movement on control lines: some ranks offer bytes, and each rank copies what it needs of them. It is broadcast, gather,
 * scatter, allgather and all-to-all, which differ in who offers and who needs what.
 *
 * A short offer lies in its line, or in its slot's data. A long one is copied by those who need it from where it lies, or goes in chunks, of
 * which a few are under way at a time.
 */
import type { Payload } from '../../datatype/data.ts';
import type { Signature } from '../signature.ts';
import { pack, unpack } from './copies.ts';
import { DIRECT_MIN, DirectOperation } from './direct.ts';
import { INLINE_BYTES, SLOT_BYTES } from './layout.ts';
import type { Lines } from './lines.ts';
import { AHEAD_MAX, LineOperation } from './operation.ts';
import { ALL, NONE } from './slots.ts';

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

class LineExchange extends LineOperation {
  readonly #plan: ExchangePlan;
  /** Bytes in one round. */
  readonly #chunk: number;

  constructor(lines: Lines, plan: ExchangePlan) {
    super(lines, plan.signature);
    const { bytes, from, needs, offer } = plan;
    this.#plan = plan;
    this.#chunk = bytes <= INLINE_BYTES ? INLINE_BYTES : SLOT_BYTES;
    this.needsAreas = bytes > INLINE_BYTES;
    this.rounds = roundsOf(bytes);
    // Whoever needs nothing waits for nobody.
    this.from = needs.length > 0 || from === ALL ? from : NONE;
    this.offers = offer !== null;
    this.ahead = AHEAD_MAX;
  }

  override get isShort(): boolean {
    return super.isShort && this.#plan.once !== true;
  }

  write(round: number): void {
    if (round === 0) this.#plan.own?.();
    const { offer, bytes } = this.#plan;
    if (offer === null) return;
    const { slots } = this;
    const start = round * this.#chunk;
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

  take(round: number): void {
    const { slots } = this;
    const start = round * this.#chunk;
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
}

/** Rounds of an offer that is laid down. */
function roundsOf(bytes: number): number {
  return bytes <= INLINE_BYTES ? 1 : Math.ceil(bytes / SLOT_BYTES);
}

/** Each rank copies what it needs from where it lies; in the last round all have done so. */
class DirectExchange extends DirectOperation {
  readonly #plan: ExchangePlan;

  constructor(lines: Lines, plan: ExchangePlan) {
    super(lines, plan.signature, [plan.offer], 2, {
      most: roundsOf(plan.bytes),
      make: () => new LineExchange(lines, plan),
    });
    this.#plan = plan;
  }

  protected readAt(round: number): void {
    if (round > 0) return;
    const { needs, own } = this.#plan;
    for (const { member, at, length, to, toAt } of needs)
      this.copy(member, 0, at, length, to, toAt);
    own?.();
  }
}

export function lineExchange(lines: Lines, plan: ExchangePlan): LineOperation {
  return plan.bytes >= DIRECT_MIN ? new DirectExchange(lines, plan) : new LineExchange(lines, plan);
}
