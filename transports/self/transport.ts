/** A rank's channel to itself: a queue in its own memory. */
import { MpiError } from '../../runtime/base/error.ts';
import type {
  Channel,
  Exposure,
  OneSidedWay,
  Packet,
  PacketHandler,
  Purpose,
  Transport,
} from '../transport.ts';
import { EXPOSED_NOT, EXPOSED_SHARED, EXTENSION_WORDS, TOOK_OTHER } from '../transport.ts';

/** Largest body of a packet to oneself. */
export const SELF_MAX_BODY = 16 * 1024;
/** Packets that wait to be taken; one more has no room. */
export const SELF_QUEUE_MAX = 128;

const WAYS: readonly OneSidedWay[] = ['get'];

class QueuedPacket implements Packet {
  readonly extension = new Int32Array(EXTENSION_WORDS);
  readonly kind: number;
  readonly context: number;
  readonly tag: number;
  readonly #body: Uint8Array;

  constructor(kind: number, context: number, tag: number, body: Uint8Array) {
    this.kind = kind;
    this.context = context;
    this.tag = tag;
    this.#body = body;
  }

  get length(): number {
    return this.#body.length;
  }

  copyTo(to: Uint8Array, at: number): void {
    to.set(this.#body, at);
  }
}

export class SelfTransport implements Transport, Channel {
  readonly name = 'self';
  readonly transport = 'self';
  readonly maxBody = SELF_MAX_BODY;
  readonly eagerBytes = SELF_MAX_BODY;
  readonly segmentBytes = Number.POSITIVE_INFINITY;
  readonly ways = WAYS;
  readonly wakeFd = -1;
  readonly inboundClaims = null;
  readonly outboundClaims = null;
  readonly takenTag = 0;
  readonly peer: number;
  readonly #queue: QueuedPacket[] = [];
  readonly #exposed = new Map<number, Uint8Array>();
  #nextExposure = 1;
  #credit = 0;

  constructor(rank: number) {
    this.peer = rank;
  }

  connect(): Channel {
    return this;
  }

  trySend(
    kind: number,
    context: number,
    tag: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    if (this.#queue.length >= SELF_QUEUE_MAX) return false;
    this.#queue.push(new QueuedPacket(kind, context, tag, bytes.slice(offset, offset + length)));
    return true;
  }

  trySendExtended(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    if (!this.trySend(kind, context, tag, bytes, offset, length)) return false;
    this.#queue[this.#queue.length - 1].extension.set(extension);
    return true;
  }

  poll(handler: PacketHandler): number {
    // What a delivered packet sends in its turn waits for the next poll.
    const count = this.#queue.length;
    if (count === 0) return 0;
    for (const packet of this.#queue.splice(0, count)) handler.onPacket(this.peer, packet);
    return count;
  }

  tryTake(): number {
    return TOOK_OTHER;
  }

  returnCredit(bytes: number): void {
    this.#credit = (this.#credit + bytes) | 0;
  }

  creditReturned(): number {
    return this.#credit;
  }

  flush(): void {}

  expose(
    bytes: Uint8Array,
    offset: number,
    length: number,
    _purpose: Purpose,
    exposure: Exposure,
  ): boolean {
    if (length === 0) {
      exposure.scheme = EXPOSED_NOT;
      return false;
    }
    exposure.scheme = EXPOSED_SHARED;
    exposure.low = this.#nextExposure;
    exposure.high = 0;
    this.#exposed.set(this.#nextExposure, bytes.subarray(offset, offset + length));
    this.#nextExposure = (this.#nextExposure + 1) & 0x7fff_ffff;
    return true;
  }

  /** What goes unasked is cheap enough here. */
  maps(): boolean {
    return false;
  }

  conceal(exposure: Exposure): void {
    if (exposure.scheme !== EXPOSED_NOT) this.#exposed.delete(exposure.low);
    exposure.scheme = EXPOSED_NOT;
  }

  pull(exposure: Exposure, at: number, to: Uint8Array, offset: number, length: number): boolean {
    const from = this.#find(exposure);
    to.set(from.subarray(at, at + length), offset);
    return true;
  }

  push(exposure: Exposure, at: number, from: Uint8Array, offset: number, length: number): boolean {
    const to = this.#find(exposure);
    to.set(from.subarray(offset, offset + length), at);
    return true;
  }

  #find({ scheme, low }: Exposure): Uint8Array {
    const bytes = scheme === EXPOSED_SHARED ? this.#exposed.get(low) : undefined;
    if (bytes !== undefined) return bytes;
    throw new MpiError('ERR_PROTOCOL', 'this rank does not expose that memory to itself');
  }

  /** Nobody else sends here, so there is no bell to wait for. */
  arm(): void {}
  disarm(): void {}
  block(): void {}
  watch(): { ref(): void; unref(): void; close(): void } {
    return { ref() {}, unref() {}, close() {} };
  }

  presence(): 'present' {
    return 'present';
  }

  leave(): void {}

  close(): void {
    this.#queue.length = 0;
    this.#exposed.clear();
  }
}
