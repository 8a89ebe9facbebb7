/** Memory that packets are sent from: one slot for packets that go inline, and a pool for longer ones. */

import { Queue } from '../../runtime/base/queue.ts';
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
  /** Slots that were held, the oldest first. */
  readonly #held = new Queue<number>();
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

  /** A free slot; -1: there is none now. The one that was sent from before is still in the caches. */
  take(): number {
    const oldest = this.#held.first;
    if (oldest !== undefined && this.#isOver(oldest)) {
      this.#held.shift();
      return oldest;
    }
    if (this.#free.length === 0) this.#reap();
    return this.#free.pop() ?? -1;
  }

  #isOver(slot: number): boolean {
    return !isUnderWay(this.#queues[slot] as PacketQueue, this.#numbers[slot]);
  }

  /** The slot's packet is the work request that the queue numbered so. */
  hold(slot: number, queue: PacketQueue, number: number): void {
    this.#queues[slot] = queue;
    this.#numbers[slot] = number;
    this.#held.push(slot);
  }

  giveBack(slot: number): void {
    this.#free.push(slot);
  }

  /** The oldest may be of a peer that does not take. */
  #reap(): void {
    for (const slot of this.#held.takeAll())
      if (this.#isOver(slot)) this.#free.push(slot);
      else this.#held.push(slot);
  }
}

/**
 * Whether a work request has not completed. Its number may be of long ago, since slots are looked at when
 * they run out: it is compared with those that are under way, not with the one that completed last.
 */
function isUnderWay({ posted, completed }: PacketQueue, number: number): boolean {
  return (number - completed) >>> 0 < (posted - completed) >>> 0;
}
