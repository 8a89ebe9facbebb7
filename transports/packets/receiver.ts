/** Packets of one peer that came and were not taken yet, in the slots in which they came. */
import { hasRoomFor } from '../../runtime/base/bytes.ts';
import type { Noncontiguous, Packet } from '../transport.ts';
import { EXTENSION_WORDS, TAKE_ANY_TAG, TOOK_OTHER } from '../transport.ts';
import { copyBytes } from './bytes.ts';
import {
  DATA_WINDOW,
  EXTENDED_BIT,
  HEADER,
  PACKET_EXTENSION_BYTES,
  PACKET_HEADER_BYTES,
} from './layout.ts';
import type { PacketSlots } from './ports.ts';
import type { CreditWindow } from './window.ts';

/** It is itself the packet that was opened last. */
export class PacketReceiver implements Packet {
  kind = 0;
  context = 0;
  tag = 0;
  length = 0;
  readonly extension = new Int32Array(EXTENSION_WORDS);
  /** Of the packet that {@link take} took last. */
  takenTag = 0;

  readonly #receives: PacketSlots;
  /** The receive slots as words. */
  readonly #words: Int32Array;
  readonly #window: CreditWindow;
  readonly #slotWords: number;
  #body = 0;
  /** Slots and lengths of the packets, in a ring. */
  readonly #slots = new Int32Array(DATA_WINDOW);
  readonly #lengths = new Int32Array(DATA_WINDOW);
  #head = 0;
  #tail = 0;

  constructor(receives: PacketSlots, words: Int32Array, window: CreditWindow, slotWords: number) {
    this.#receives = receives;
    this.#words = words;
    this.#window = window;
    this.#slotWords = slotWords;
  }

  get any(): boolean {
    return this.#head !== this.#tail;
  }

  /** Keeps a packet; false: there are as many as the peer has credit for. */
  keep(slot: number, bytes: number): boolean {
    if (((this.#tail - this.#head) | 0) >= DATA_WINDOW) return false;
    const place = this.#tail & (DATA_WINDOW - 1);
    this.#slots[place] = slot;
    this.#lengths[place] = bytes;
    this.#tail = (this.#tail + 1) | 0;
    return true;
  }

  /** Opens the oldest packet. */
  open(): void {
    const words = this.#words;
    const place = this.#head & (DATA_WINDOW - 1);
    const at = this.#slots[place] * this.#slotWords;
    const word = words[at + HEADER.kindContext];
    this.kind = word & 0xff;
    this.context = (word >>> 8) & 0x3f_ffff;
    this.tag = words[at + HEADER.tag];
    let head = PACKET_HEADER_BYTES;
    if (word & EXTENDED_BIT) {
      for (let i = 0; i < EXTENSION_WORDS; i++)
        this.extension[i] = words[at + PACKET_HEADER_BYTES / 4 + i];
      head += PACKET_EXTENSION_BYTES;
    }
    this.#body = 4 * at + head;
    this.length = this.#lengths[place] - head;
  }

  copyTo(to: Uint8Array, at: number): void {
    copyBytes(to, at, this.#receives.bytes, this.#body, this.length);
  }

  unpackTo(to: Noncontiguous, offset: number): void {
    to.unpack(offset, this.length, this.#receives.bytes, this.#body);
  }

  /** The oldest packet was taken: its slot is posted again. */
  advance(): void {
    const place = this.#head & (DATA_WINDOW - 1);
    this.#head = (this.#head + 1) | 0;
    this.#receives.post(this.#slots[place]);
    this.#window.took(this.#lengths[place]);
  }

  /** Takes the oldest packet if it is such a one and fits: its length, or TOOK_OTHER. */
  take(kind: number, context: number, tag: number, to: unknown): number {
    const words = this.#words;
    const place = this.#head & (DATA_WINDOW - 1);
    const at = this.#slots[place] * this.#slotWords;
    const length = this.#lengths[place] - PACKET_HEADER_BYTES;
    const itsTag = words[at + HEADER.tag];
    if (words[at + HEADER.kindContext] !== (kind | (context << 8))) return TOOK_OTHER;
    if (itsTag < 0 || !hasRoomFor(to, length)) return TOOK_OTHER;
    if (tag !== itsTag && tag !== TAKE_ANY_TAG) return TOOK_OTHER;
    copyBytes(to as Uint8Array, 0, this.#receives.bytes, 4 * at + PACKET_HEADER_BYTES, length);
    this.takenTag = itsTag;
    this.advance();
    return length;
  }
}
