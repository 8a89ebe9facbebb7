/**
 * Small bodies of messages that wait for a receive. A typed array of its own costs some 200 bytes, so they
 * lie in slots of chunks. A chunk without a body goes, but for the last one of its size.
 */

import type { Packet } from '../../../transports/transport.ts';
import { type Place, putFirst, putPart } from '../body.ts';

/** Longer bodies have arrays of their own. */
export const SLOT_BYTES_MAX = 128;
const SLOT_BYTES_MIN = 16;
const CHUNK_BYTES = 16 * 1024;
const END = -1;

class Chunk {
  readonly bytes: Uint8Array = new Uint8Array(CHUNK_BYTES);
  readonly slotBytes: number;
  /** Its place among those of its size that have a free slot. */
  place = 0;
  used = 0;
  readonly #words: Int32Array;
  /** Each free slot holds the number of the next one. */
  #free = 0;

  constructor(slotBytes: number) {
    this.slotBytes = slotBytes;
    this.#words = new Int32Array(this.bytes.buffer);
    const slots = CHUNK_BYTES / slotBytes;
    for (let slot = 0; slot < slots; slot++)
      this.#words[(slot * slotBytes) >>> 2] = slot + 1 < slots ? slot + 1 : END;
  }

  get full(): boolean {
    return this.#free === END;
  }

  take(): number {
    const slot = this.#free;
    this.#free = this.#words[(slot * this.slotBytes) >>> 2];
    this.used++;
    return slot;
  }

  giveBack(slot: number): void {
    this.#words[(slot * this.slotBytes) >>> 2] = this.#free;
    this.#free = slot;
    this.used--;
  }
}

/** A body, and where it lies: in a slot, or in an array of its own. */
export interface Kept {
  length: number;
  chunk: Chunk | null;
  slot: number;
  body: Uint8Array;
}

export class KeptBodies {
  /** Chunks that have a free slot, by the slots' size: 16, 32, 64 and 128 bytes. */
  readonly #open: Chunk[][] = [[], [], [], []];

  /** Keeps a copy of a packet's body. */
  keep(packet: Packet, kept: Kept): void {
    const { length } = packet;
    kept.length = length;
    if (length > SLOT_BYTES_MAX) {
      kept.body = new Uint8Array(length);
      packet.copyTo(kept.body, 0);
    } else if (length > 0) this.put(packet, kept);
  }

  /** Copies it to where it belongs, once. */
  copy(kept: Kept, to: Place): void {
    if (kept.chunk !== null) this.take(kept, kept.length, to);
    else putFirst(to, kept.body);
  }

  /** Copies a packet's body, which is not longer than {@link SLOT_BYTES_MAX} and not empty. */
  put(packet: Packet, kept: Kept): void {
    const chunk = this.#takeSlot(packet.length, kept);
    packet.copyTo(chunk.bytes, kept.slot * chunk.slotBytes);
  }

  /** Copies such a body from `from[at..]`. */
  putBytes(from: Uint8Array, at: number, length: number, kept: Kept): void {
    const { bytes, slotBytes } = this.#takeSlot(length, kept);
    const to = kept.slot * slotBytes;
    for (let i = 0; i < length; i++) bytes[to + i] = from[at + i];
  }

  #takeSlot(length: number, kept: Kept): Chunk {
    const size = sizeOf(length);
    const open = this.#open[size];
    let chunk = open.at(-1);
    if (chunk === undefined) {
      chunk = new Chunk(SLOT_BYTES_MIN << size);
      this.#add(chunk, open);
    }
    kept.chunk = chunk;
    kept.slot = chunk.take();
    if (chunk.full) open.pop();
    return chunk;
  }

  /** Copies a body to where it belongs, and forgets it. */
  take(kept: Kept, length: number, to: Place | null): void {
    const chunk = kept.chunk as Chunk;
    const from = kept.slot * chunk.slotBytes;
    if (to !== null) putPart(to.bytes, to.noncontiguous, chunk.bytes, from, length);
    kept.chunk = null;
    const open = this.#open[sizeOf(length)];
    if (chunk.full) this.#add(chunk, open);
    chunk.giveBack(kept.slot);
    if (chunk.used > 0 || open.length === 1) return;
    const last = open.pop() as Chunk;
    if (last === chunk) return;
    open[chunk.place] = last;
    last.place = chunk.place;
  }

  #add(chunk: Chunk, open: Chunk[]): void {
    chunk.place = open.length;
    open.push(chunk);
  }
}

function sizeOf(length: number): number {
  return length <= 16 ? 0 : length <= 32 ? 1 : length <= 64 ? 2 : 3;
}
