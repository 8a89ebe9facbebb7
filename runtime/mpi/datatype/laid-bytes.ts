/** Memory under a plan, as a message's bytes. */
import type { Noncontiguous } from '../../../transports/transport.ts';
import { byteLengthOf } from '../../base/bytes.ts';
import { copyPlan } from './copy.ts';
import { type Memory, memoryOf } from './memory.ts';
import type { Placed, Plan } from './plan.ts';

export class LaidBytes implements Noncontiguous {
  readonly length: number;
  readonly #array: ArrayBufferView;
  readonly #memory: Memory;
  readonly #plan: Plan;
  /** Where the plan begins in the memory. */
  readonly #at: number;
  /** Bytes that the array must have. */
  readonly #reach: number;

  /** @param offset where in the array the plan's origin lies; the caller has checked that all of it lies inside */
  constructor(array: ArrayBufferView, { at, plan }: Placed, offset: number) {
    this.length = plan.size;
    this.#array = array;
    this.#memory = memoryOf(array);
    this.#plan = plan;
    this.#at = this.#memory.start + offset + at;
    this.#reach = offset + at + plan.high;
  }

  get intact(): boolean {
    return byteLengthOf(this.#array) >= this.#reach;
  }

  pack(offset: number, length: number, to: Uint8Array, at: number): void {
    const packed = memoryOf(to);
    const copy = { laid: this.#memory, packed, packing: true };
    copyPlan(copy, this.#plan, this.#at, offset, length, packed.start + at);
  }

  unpack(offset: number, length: number, from: Uint8Array, at: number): void {
    const packed = memoryOf(from);
    const copy = { laid: this.#memory, packed, packing: false };
    copyPlan(copy, this.#plan, this.#at, offset, length, packed.start + at);
  }
}

/** A part of such bytes. */
export class LaidPart implements Noncontiguous {
  readonly length: number;
  readonly #whole: Noncontiguous;
  readonly #start: number;

  constructor(whole: Noncontiguous, start: number, length: number) {
    this.#whole = whole;
    this.#start = start;
    this.length = length;
  }

  get intact(): boolean {
    return this.#whole.intact;
  }

  pack(offset: number, length: number, to: Uint8Array, at: number): void {
    this.#whole.pack(this.#start + offset, length, to, at);
  }

  unpack(offset: number, length: number, from: Uint8Array, at: number): void {
    this.#whole.unpack(this.#start + offset, length, from, at);
  }
}
