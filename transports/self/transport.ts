/** A rank's channel to itself: a queue in its own memory. */
import { lengthOf, part, store } from '../../runtime/base/bytes.ts';
import { setImmediate } from '../../runtime/base/clock.ts';
import { MpiError } from '../../runtime/base/error.ts';
import type {
  Channel,
  Noncontiguous,
  OneSidedScheme,
  Packet,
  PacketHandler,
  Purpose,
  RemoteAccess,
  Transport,
} from '../transport.ts';
import { ACCESS_MAPPED, ACCESS_NONE, EXTENSION_WORDS, TOOK_OTHER } from '../transport.ts';

/** Largest body of a packet to oneself. */
export const SELF_MAX_BODY = 16 * 1024;
/** Packets that wait to be taken; one more has no room. */
export const SELF_QUEUE_MAX = 128;

const SCHEMES: readonly OneSidedScheme[] = ['get'];

function copy(to: Uint8Array, at: number, from: Uint8Array, start: number, length: number): void {
  if (lengthOf(to) < at + length || lengthOf(from) < start + length)
    throw new MpiError(
      'ERR_BUFFER',
      'the buffer of a message to this rank itself was detached or shrunk while the operation was under way',
    );
  store(to, part(from, start, start + length), at);
}

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
    store(to, this.#body, at);
  }

  unpackTo(to: Noncontiguous, offset: number): void {
    to.unpack(offset, this.#body.length, this.#body, 0);
  }
}

export class SelfTransport implements Transport, Channel {
  readonly name = 'self';
  readonly transport = 'self';
  readonly maxBody = SELF_MAX_BODY;
  readonly eagerBytes = SELF_MAX_BODY;
  readonly segmentBytes = Number.POSITIVE_INFINITY;
  readonly schemes = SCHEMES;
  readonly wakeFd = -1;
  readonly inboundClaims = null;
  readonly outboundClaims = null;
  readonly takenTag = 0;
  readonly peer: number;
  readonly #queue: QueuedPacket[] = [];
  readonly #exported = new Map<number, Uint8Array>();
  /** Called from the event loop for what is sent while it sleeps. */
  readonly #doorbells = new Set<() => void>();
  #armed = false;
  #nextAccess = 1;
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
    // (`slice` of a Buffer is no copy.)
    const body = new Uint8Array(
      length === lengthOf(bytes) ? bytes : part(bytes, offset, offset + length),
    );
    this.#push(new QueuedPacket(kind, context, tag, body));
    return true;
  }

  trySendAgain(): number {
    return 0;
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

  trySendPacked(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array | null,
    body: Noncontiguous,
    offset: number,
    length: number,
  ): boolean {
    if (this.#queue.length >= SELF_QUEUE_MAX) return false;
    const packed = new Uint8Array(length);
    body.pack(offset, length, packed, 0);
    const packet = new QueuedPacket(kind, context, tag, packed);
    if (extension !== null) packet.extension.set(extension);
    this.#push(packet);
    return true;
  }

  poll(handler: PacketHandler): number {
    // Packets that a delivered packet causes wait for the next poll.
    const count = this.#queue.length;
    if (count === 0) return 0;
    for (const packet of this.#queue.splice(0, count)) handler.onPacket(this.peer, packet);
    return count;
  }

  tryTake(): number {
    return TOOK_OTHER;
  }

  returnCredit(credit: number): void {
    this.#credit = (this.#credit + credit) | 0;
  }

  creditReturned(): number {
    return this.#credit;
  }

  flush(): void {}

  exportMemory(
    bytes: Uint8Array,
    offset: number,
    length: number,
    _purpose: Purpose,
    access: RemoteAccess,
  ): boolean {
    if (length === 0) {
      access.kind = ACCESS_NONE;
      return false;
    }
    // Memory may stay exported for long. Meanwhile no other memory gets its number.
    while (this.#exported.has(this.#nextAccess)) this.#countAccess();
    access.kind = ACCESS_MAPPED;
    access.low = this.#nextAccess;
    access.high = 0;
    this.#exported.set(this.#nextAccess, part(bytes, offset, offset + length));
    this.#countAccess();
    return true;
  }

  #countAccess(): void {
    this.#nextAccess = (this.#nextAccess + 1) & 0x7fff_ffff;
  }

  /** What goes eagerly is cheap enough here. */
  maps(): boolean {
    return false;
  }

  revoke(access: RemoteAccess): void {
    if (access.kind !== ACCESS_NONE) this.#exported.delete(access.low);
    access.kind = ACCESS_NONE;
  }

  pull(access: RemoteAccess, at: number, to: Uint8Array, offset: number, length: number): boolean {
    copy(to, offset, this.#find(access, at + length), at, length);
    return true;
  }

  push(
    access: RemoteAccess,
    at: number,
    from: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    copy(this.#find(access, at + length), at, from, offset, length);
    return true;
  }

  #find({ kind, low }: RemoteAccess, end: number): Uint8Array {
    const bytes = kind === ACCESS_MAPPED ? this.#exported.get(low) : undefined;
    if (bytes !== undefined && bytes.length < end)
      throw new MpiError(
        'ERR_BUFFER',
        'the buffer of a message from this rank to itself was detached or shrunk while the operation was under way',
        { peer: this.peer },
      );
    if (bytes !== undefined) return bytes;
    throw new MpiError('ERR_PROTOCOL', 'this rank does not export that memory to itself');
  }

  #push(packet: QueuedPacket): void {
    this.#queue.push(packet);
    if (!this.#armed) return;
    this.#armed = false;
    for (const ring of this.#doorbells) setImmediate(ring);
  }

  /** Nobody else sends here: what comes after this comes of a later turn of the event loop. */
  arm(how: 'block' | 'loop'): void {
    this.#armed = how === 'loop';
  }

  disarm(): void {
    this.#armed = false;
  }

  block(): void {}

  watch(onDoorbell: () => void): { ref(): void; unref(): void; close(): void } {
    this.#doorbells.add(onDoorbell);
    return { ref() {}, unref() {}, close: () => this.#doorbells.delete(onDoorbell) };
  }

  presence(): 'present' {
    return 'present';
  }

  leave(): void {}

  close(): void {
    this.#queue.length = 0;
    this.#exported.clear();
  }
}
