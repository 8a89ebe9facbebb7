/** An endpoint of libfabric: packets to and from all peers, and memory. */
import { randomInt } from 'node:crypto';
import { constants } from 'node:os';
import {
  COMPLETION,
  FORMAT,
  OFI_COMPLETION_WORDS,
  OFI_COMPLETIONS,
  type OfiAddon,
  ofi,
  REGISTRATION,
} from '../../../native/ofi.ts';
import { type TcpEnd, tcpEnd, tcpText } from '../../../native/tcp.ts';
import { check, MpiError } from '../../../runtime/base/error.ts';
import type { PacketArea, PacketPort, PacketQueue } from '../../packets/ports.ts';
import { ALIGNMENT, ENVELOPE, OFI_ENVELOPE_BYTES, PADDING_SHIFT, SETUP_BIT } from '../layout.ts';
import { chooseEntry } from './interfaces.ts';
import { OfiQueue, Operations, type QueueSite } from './queue.ts';
import { ReceiveBuffers } from './receives.ts';

const ADDRESS_BYTES = 256;
/**
 * This provider starts a thread for a queue that has a descriptor (1.17; the same code is `tcp` from 1.18 on, and does not). The
 * thread wakes at each packet, for nothing while the rank polls.
 */
const THREADED = 'net';
const { ENODATA } = constants.errno;

export class OfiDevice implements PacketPort {
  /** Provider and address, for messages. */
  readonly name: string;
  readonly provider: string;
  readonly messageBytesMax: number;
  /** A rank sleeps on these. */
  readonly wakeFds: readonly number[];
  /** They are the provider's own, readable while it has work to do, whoever looks. */
  readonly ownWaits: boolean;
  readonly receives: ReceiveBuffers;
  /** Upper half of the keys of this rank's memory: strangers do not know it. */
  readonly keyHigh: number;
  /** Whether peers name memory by its address, or by its distance from the region's beginning. */
  readonly virtualAddresses: boolean;
  onReceive: (queue: PacketQueue, slot: number, bytes: number) => void = () => {};
  /** What ranks say before they trust each other. The bytes are valid during the call only. */
  onSetup: (from: number, bytes: Uint8Array) => void = () => {};
  closed = false;
  readonly #native: OfiAddon = ofi();
  readonly #id: number;
  readonly #completions: Int32Array;
  readonly #operations = new Operations();
  readonly #queues = new Map<number, OfiQueue>();
  readonly #words: Int32Array;
  readonly #providerKeys: boolean;
  readonly #starts = new Map<number, number>();
  readonly #halves = new Uint32Array(2);
  #site: QueueSite | null = null;
  readonly #injectBytes: number;
  readonly #format: number;
  #next = 0;
  #count = 0;

  /** @throws MpiError ERR_UNSUPPORTED, ERR_ARG, ERR_NO_MEM, ERR_SYSTEM */
  static open(): OfiDevice {
    return new OfiDevice();
  }

  private constructor() {
    const { entry, index, name } = chooseEntry();
    this.name = name;
    this.provider = entry.provider;
    this.messageBytesMax = entry.messageBytes;
    this.#injectBytes = entry.injectBytes;
    this.#format = entry.format;
    this.virtualAddresses = (entry.registration & REGISTRATION.virtualAddress) !== 0;
    this.#providerKeys = (entry.registration & REGISTRATION.providerKey) !== 0;
    this.keyHigh = entry.keyBytes >= 8 && !this.#providerKeys ? randomInt(2 ** 32) : 0;
    const own = entry.provider === THREADED ? this.#openAt(index, true) : -ENODATA;
    this.ownWaits = own !== -ENODATA;
    this.#id = check(this.ownWaits ? own : this.#openAt(index, false), 'fi_endpoint', name);
    const mailbox = this.#native.ofiMailbox(this.#id);
    if (typeof mailbox === 'number') check(mailbox, 'mmap', name);
    const words = OFI_COMPLETIONS * OFI_COMPLETION_WORDS;
    this.#completions = new Int32Array(mailbox as ArrayBuffer, 0, words);
    this.wakeFds = this.#native.ofiWakeFds(this.#id) as number[];
    this.receives = new ReceiveBuffers(this.#native, this.#id);
    const { bytes } = this.receives;
    this.#words = new Int32Array(bytes.buffer, 0, bytes.length / 4);
  }

  #openAt(index: number, ownWaits: boolean): number {
    return this.#native.ofiOpen(index, ReceiveBuffers.frameBytes, ownWaits);
  }

  /** Hex digits, by which peers find this endpoint. */
  get address(): string {
    const bytes = new Uint8Array(ADDRESS_BYTES);
    const length = check(this.#native.ofiAddress(this.#id, bytes), 'fi_getname', this.name);
    return Buffer.from(bytes.subarray(0, length)).toString('hex');
  }

  /** The end of TCP connections that such an address names; null: it is of another kind. */
  endOf(address: string): TcpEnd | null {
    const ip = this.#format === FORMAT.ipv4 || this.#format === FORMAT.ipv6;
    return ip ? tcpEnd(Buffer.from(address, 'hex')) : null;
  }

  /** An address, for messages. */
  textOf(address: string): string {
    const end = this.endOf(address);
    return end === null ? address : tcpText(end);
  }

  /** The number of a peer, by its address. @throws MpiError ERR_UNREACHABLE */
  #peerAt(address: string): number {
    const answer = this.#native.ofiPeer(this.#id, Buffer.from(address, 'hex'));
    if (answer >= 0) return answer;
    throw new MpiError(
      'ERR_UNREACHABLE',
      `${this.name}: there is no way to ${this.textOf(address)}`,
      {
        errno: -answer,
      },
    );
  }

  openSendArea(bytes: number): PacketArea {
    const made = this.#native.ofiArea(this.#id, bytes);
    if (typeof made === 'number')
      throw new MpiError('ERR_NO_MEM', `${this.name}: no memory for packets`, { errno: -made });
    return { index: made[0], bytes: new Uint8Array(made[1]) };
  }

  /**
   * @param area what its packets leave from
   * @throws MpiError ERR_UNREACHABLE
   */
  createQueue(area: PacketArea, rank: number, self: number, address: string): OfiQueue {
    const peer = this.#peerAt(address);
    this.#site ??= this.#siteOf(area, self);
    const queue = new OfiQueue(this.#site, rank, peer, this.textOf(address));
    this.#queues.set(rank, queue);
    return queue;
  }

  /** Sends what is no packet of a connection. 0 or a negative errno. */
  sendSetup(
    area: PacketArea,
    offset: number,
    length: number,
    peer: number,
    end: (error: number) => void,
  ): number {
    const operation = this.#operations.begin(end);
    if (operation < 0) return -1;
    const answer = this.#native.ofiSend(this.#id, peer, area.index, offset, length, operation, 0);
    if (answer !== 0) this.#operations.cancel(operation);
    return answer;
  }

  poll(looks = 1): number {
    if (this.closed) return 0;
    if (this.#next === this.#count) {
      if (this.receives.waiting > 0) this.receives.flush();
      this.#next = 0;
      this.#count = Math.max(0, this.#native.ofiPoll(this.#id, looks));
    }
    // A handler that throws, or that polls itself, leaves the other completions to the next round.
    let told = 0;
    while (this.#next < this.#count) {
      const at = this.#next++ * OFI_COMPLETION_WORDS;
      told += 1;
      this.#tell(at);
    }
    return told;
  }

  /** Whether {@link wakeFds} may be slept on. */
  get quiet(): boolean {
    return this.ownWaits || this.closed || this.#native.ofiTryWait(this.#id) === 0;
  }

  register(address: number, length: number, access: number): number {
    const low = this.#providerKeys ? 0 : randomInt(2 ** 32);
    const key = this.#native.ofiRegister(this.#id, address, length, access, low, this.keyHigh);
    if (key >= 0) this.#starts.set(key, address);
    return key;
  }

  deregister(region: number): number {
    this.#starts.delete(region);
    return this.closed ? 0 : this.#native.ofiDeregister(this.#id, region);
  }

  /** Where a peer finds an address of a region, and under which key; null: it cannot. */
  exported(region: number, address: number): { remote: number; key: number } | null {
    const start = this.#starts.get(region);
    if (start === undefined) return null;
    if (this.#native.ofiKey(this.#id, region, this.#halves) < 0) return null;
    if (this.#halves[1] !== this.keyHigh) return null;
    return { remote: this.virtualAddresses ? address : address - start, key: this.#halves[0] };
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#native.ofiClose(this.#id);
  }

  #siteOf(area: PacketArea, self: number): QueueSite {
    const { bytes } = area;
    return {
      native: this.#native,
      id: this.#id,
      rank: self,
      name: this.name,
      injectBytes: this.#injectBytes,
      operations: this.#operations,
      words: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
      left: (queue) => {
        if (this.#queues.get(queue.rank) === queue) this.#queues.delete(queue.rank);
      },
    };
  }

  #tell(at: number): void {
    const completions = this.#completions;
    const number = completions[at + COMPLETION.number];
    const error = completions[at + COMPLETION.error];
    if (number < 0) return;
    if (completions[at + COMPLETION.isBuffer] === 0) {
      this.#operations.end(number, error);
      return;
    }
    const bytes = completions[at + COMPLETION.bytes];
    const offset = completions[at + COMPLETION.offset];
    const released = completions[at + COMPLETION.released] !== 0;
    if (bytes > 0) this.receives.came(number);
    try {
      if (bytes > 0) this.#came(offset, bytes);
    } finally {
      if (released) this.receives.release(number);
    }
  }

  /** What strangers send may have any length: what comes behind it is moved to where it can be read. */
  #came(came: number, bytes: number): void {
    const offset = came & -ALIGNMENT;
    const slot = (offset + OFI_ENVELOPE_BYTES) / ALIGNMENT;
    if (offset !== came) this.receives.bytes.copyWithin(offset, came, came + bytes);
    if (!this.#deliver(offset, slot, bytes)) this.receives.post(slot);
  }

  /** False: it is nobody's. */
  #deliver(offset: number, slot: number, bytes: number): boolean {
    if (bytes < OFI_ENVELOPE_BYTES) return false;
    const words = this.#words;
    const at = offset >> 2;
    const from = words[at + ENVELOPE.from];
    const number = words[at + ENVELOPE.number];
    if ((number & SETUP_BIT) !== 0) {
      const body = this.receives.bytes.subarray(offset + OFI_ENVELOPE_BYTES, offset + bytes);
      this.onSetup(from, body);
      return false;
    }
    const queue = this.#queues.get(from);
    const length = bytes - OFI_ENVELOPE_BYTES - ((number >>> PADDING_SHIFT) & (ALIGNMENT - 1));
    if (queue === undefined || length < 0 || !queue.takes(words, at)) return false;
    this.onReceive(queue, slot, length);
    return true;
  }
}
