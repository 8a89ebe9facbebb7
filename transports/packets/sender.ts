/** Packets to one peer: each is written into a slot, header first, and posted from there. */
import { constants } from 'node:os';
import { MpiError } from '../../runtime/base/error.ts';
import { EXTENSION_WORDS, type Noncontiguous } from '../transport.ts';
import { copyBytes } from './bytes.ts';
import {
  CONTROL,
  CONTROL_BIT,
  HEADER,
  PACKET_EXTENSION_BYTES,
  PACKET_HEADER_BYTES,
} from './layout.ts';
import type { PacketQueue, PacketSlots } from './ports.ts';
import type { SendSlots } from './send-slots.ts';
import type { CreditWindow } from './window.ts';

/** Longest packet that goes inline, its header included, where the device does that. */
export const INLINE_BYTES = 256;
/** Receive slots, beyond those promised to peers, that wait to be posted without harm. */
export const SPARE_SLOTS = 32;

const { EAGAIN } = constants.errno;

const inlineBytesOf = (queue: PacketQueue) => Math.min(INLINE_BYTES, queue.inlineBytes);

export class PacketSender {
  readonly #window: CreditWindow;
  readonly #sends: SendSlots;
  readonly #receives: PacketSlots;
  readonly #onError: (error: Error) => void;
  #queue: PacketQueue;
  #inlineBytes: number;

  constructor(
    queue: PacketQueue,
    window: CreditWindow,
    sends: SendSlots,
    receives: PacketSlots,
    onError: (error: Error) => void,
  ) {
    this.#window = window;
    this.#sends = sends;
    this.#receives = receives;
    this.#onError = onError;
    this.#queue = queue;
    this.#inlineBytes = inlineBytesOf(queue);
  }

  adopt(queue: PacketQueue): void {
    this.#queue = queue;
    this.#inlineBytes = inlineBytesOf(queue);
  }

  /**
   * Sends a packet of the protocols; false: no room now.
   * @param packed what has the body in place of `bytes`, where it does not lie side by side
   */
  data(
    word: number,
    tag: number,
    extension: Int32Array | null,
    bytes: Uint8Array,
    packed: Noncontiguous | null,
    offset: number,
    length: number,
  ): boolean {
    const sends = this.#sends;
    const head =
      extension === null ? PACKET_HEADER_BYTES : PACKET_HEADER_BYTES + PACKET_EXTENSION_BYTES;
    if (!this.#window.hasRoom(head + length)) return false;
    const inline = head + length <= this.#inlineBytes;
    const slot = inline ? 0 : sends.take();
    if (slot < 0) return false;
    if (extension !== null) this.#writeExtension(slot, extension);
    const at = sends.offsetOf(slot) + head;
    if (packed !== null) packed.pack(offset, length, sends.area.bytes, at);
    else copyBytes(sends.area.bytes, at, bytes, offset, length);
    const number = this.#queue.posted;
    const sent = this.#post(slot, word, tag, head + length, inline, !inline);
    if (sent) this.#window.sent(head + length);
    if (inline) return sent;
    if (sent) sends.hold(slot, this.#queue, number);
    else sends.giveBack(slot);
    return sent;
  }

  /** Sends one of {@link CONTROL}; false: not now. */
  control(kind: number, tag = 0): boolean {
    const inline = this.#inlineBytes >= PACKET_HEADER_BYTES;
    const sends = this.#sends;
    const slot = inline ? 0 : sends.take();
    if (slot < 0) return false;
    const number = this.#queue.posted;
    const signal = !inline || kind === CONTROL.left;
    const sent = this.#post(slot, kind | CONTROL_BIT, tag, PACKET_HEADER_BYTES, inline, signal);
    if (!inline && sent) sends.hold(slot, this.#queue, number);
    else if (!inline) sends.giveBack(slot);
    return sent;
  }

  #writeExtension(slot: number, extension: Int32Array): void {
    const { words } = this.#sends;
    const at = (this.#sends.offsetOf(slot) + PACKET_HEADER_BYTES) / 4;
    for (let i = 0; i < EXTENSION_WORDS; i++) words[at + i] = extension[i];
  }

  /** Writes the header before the body in the slot, and sends the slot. */
  #post(
    slot: number,
    word: number,
    tag: number,
    bytes: number,
    inline: boolean,
    signal: boolean,
  ): boolean {
    // Only slots that are posted may be promised.
    if (this.#receives.waiting > SPARE_SLOTS) this.#receives.flush();
    const { words, area } = this.#sends;
    const offset = this.#sends.offsetOf(slot);
    const at = offset / 4;
    words[at + HEADER.kindContext] = word;
    words[at + HEADER.tag] = tag;
    words[at + HEADER.taken] = this.#window.takenWord;
    words[at + HEADER.returned] = this.#window.returnedWord;
    const answer = this.#queue.send(area, offset, bytes, inline, signal);
    if (answer === 0) this.#window.told();
    else if (answer !== -EAGAIN) this.#refused(-answer);
    return answer === 0;
  }

  #refused(errno: number): void {
    this.#onError(new MpiError('ERR_PEER_FAILED', 'a packet cannot be sent', { errno }));
  }
}
