/** Memory that packets are sent from: one slot for packets that go inline, and a pool for longer ones. */

import type { PacketLayout } from './layout.ts';
import type { PacketArea, PacketPort, PacketQueue } from './ports.ts';

/** Packets of a rank, to all its peers, that can be under way and did not go inline. */
export const SEND_SLOTS = 64;

export class SendSlots {
  readonly area: PacketArea;
  readonly #stride: number;
  readonly #headroom: number;
  readonly words: Int32Array;
  readonly #free: number[] = [];
  /** By slot: the owner of the packet in it, and the packet's number among the queue's work requests. */
  readonly #queues: (PacketQueue | null)[] = new Array(SEND_SLOTS + 1).fill(null);
  readonly #numbers = new Int32Array(SEND_SLOTS + 1);

  constructor(device: PacketPort, { packetBytes, headroom }: PacketLayout) {
    this.#stride = packetBytes + headroom;
    this.#headroom = headroom;
    this.area = device.openSendArea((SEND_SLOTS + 1) * this.#stride);
    const { bytes } = this.area;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    // Slot 0 is for packets that go inline: it is free again when the post returns.
    for (let slot = SEND_SLOTS; slot > 0; slot--) this.#free.push(slot);
  }

  /** Where a slot's packet begins in the area. */
  offsetOf(slot: number): number {
    return slot * this.#stride + this.#headroom;
  }

  /** A free slot; -1: there is none now. */
  take(): number {
    if (this.#free.length === 0) this.#reap();
    return this.#free.pop() ?? -1;
  }

  /** The slot's packet is the work request that the queue numbered so. */
  hold(slot: number, queue: PacketQueue, number: number): void {
    this.#queues[slot] = queue;
    this.#numbers[slot] = number;
  }

  giveBack(slot: number): void {
    this.#free.push(slot);
  }

  #reap(): void {
    for (let slot = 1; slot <= SEND_SLOTS; slot++) {
      const queue = this.#queues[slot];
      if (queue === null || isUnderWay(queue, this.#numbers[slot])) continue;
      this.#queues[slot] = null;
      this.#free.push(slot);
    }
  }
}

/**
 * Whether a work request has not completed. Its number may be of long ago, since slots are looked at when
 * they run out: it is compared with those that are under way, not with the one that completed last.
 */
function isUnderWay({ posted, completed }: PacketQueue, number: number): boolean {
  return (number - completed) >>> 0 < (posted - completed) >>> 0;
}
