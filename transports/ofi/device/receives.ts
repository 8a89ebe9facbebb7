/** Buffers in which packets of all peers arrive, one behind the other (FI_MULTI_RECV). */
import type { OfiAddon } from '../../../native/ofi.ts';
import { check, MpiError } from '../../../runtime/base/error.ts';
import {
  CONTROL_SLOTS,
  DATA_WINDOW,
  PACKET_HEADER_BYTES,
  SLOTS_PER_PEER,
} from '../../packets/layout.ts';
import type { PacketSlots } from '../../packets/ports.ts';
import { ALIGNMENT, OFI_ENVELOPE_BYTES, OFI_PACKET_BYTES, OFI_WINDOW_BYTES } from '../layout.ts';

/** Bytes of a receive buffer. */
export const OFI_BUFFER_BYTES = 256 * 1024;
/** Receive buffers of a rank at most. They bound the number of peers. */
export const OFI_BUFFERS_MAX = 1024;
/** The longest packet with its envelope. A buffer with less room takes no further packet. */
const FRAME_BYTES = OFI_ENVELOPE_BYTES + OFI_PACKET_BYTES;
/** What a peer may have under way: its window, what stands before each of its packets, and packets without a body. */
const PEER_BYTES =
  OFI_WINDOW_BYTES +
  DATA_WINDOW * (OFI_ENVELOPE_BYTES + ALIGNMENT) +
  CONTROL_SLOTS * (OFI_ENVELOPE_BYTES + PACKET_HEADER_BYTES);
/** Packets that a buffer has room for, if a peer's packets are as long as its window allows. */
const PACKETS = Math.floor(((OFI_BUFFER_BYTES - FRAME_BYTES) * SLOTS_PER_PEER) / PEER_BYTES);
/** Buffers beyond those that are promised: what strangers send goes somewhere, too. */
const SPARE_BUFFERS = 2;

export class ReceiveBuffers implements PacketSlots {
  static readonly frameBytes = FRAME_BYTES;
  readonly bytes: Uint8Array;
  slots = 0;
  readonly #native: OfiAddon;
  readonly #id: number;
  #buffers = 0;
  /** By buffer: packets in it that were not taken, and whether it takes no more. */
  readonly #packets = new Int32Array(OFI_BUFFERS_MAX);
  readonly #released = new Uint8Array(OFI_BUFFERS_MAX);
  readonly #idle: number[] = [];

  /** @throws MpiError ERR_NO_MEM, ERR_SYSTEM */
  constructor(native: OfiAddon, id: number) {
    this.#native = native;
    this.#id = id;
    const made = native.ofiArea(id, OFI_BUFFER_BYTES * OFI_BUFFERS_MAX);
    if (typeof made === 'number')
      throw new MpiError('ERR_NO_MEM', 'no memory for receive buffers', { errno: -made });
    this.bytes = new Uint8Array(made[1]);
    check(native.ofiReceives(id, made[0], OFI_BUFFER_BYTES), 'fi_recvmsg', 'receive buffers');
  }

  get waiting(): number {
    return this.#idle.length * PACKETS;
  }

  grow(slots: number): void {
    const buffers = Math.ceil((this.slots + slots) / PACKETS) + SPARE_BUFFERS;
    if (buffers > OFI_BUFFERS_MAX)
      throw new MpiError(
        'ERR_NO_MEM',
        `${buffers} receive buffers are needed, and at most ${OFI_BUFFERS_MAX} can be had: talk to fewer peers`,
      );
    this.slots += slots;
    while (this.#buffers < buffers) this.#idle.push(this.#buffers++);
    this.flush();
  }

  /** A packet came into a buffer. */
  came(buffer: number): void {
    this.#packets[buffer] += 1;
  }

  /** The provider is done with a buffer. */
  release(buffer: number): void {
    this.#released[buffer] = 1;
    this.#renew(buffer);
  }

  post(slot: number): void {
    const buffer = Math.floor((slot * ALIGNMENT) / OFI_BUFFER_BYTES);
    this.#packets[buffer] -= 1;
    this.#renew(buffer);
  }

  flush(): void {
    while (this.#idle.length > 0) {
      const buffer = this.#idle[this.#idle.length - 1];
      if (this.#native.ofiPostBuffer(this.#id, buffer) !== 0) return;
      this.#idle.pop();
    }
  }

  #renew(buffer: number): void {
    if (this.#released[buffer] === 0 || this.#packets[buffer] > 0) return;
    this.#released[buffer] = 0;
    this.#idle.push(buffer);
    this.flush();
  }
}
