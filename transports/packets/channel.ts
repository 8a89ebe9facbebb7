import { NO_BYTES } from '../../runtime/base/bytes.ts';
import { MpiError } from '../../runtime/base/error.ts';
import type {
  Channel,
  Done,
  Noncontiguous,
  OneSidedScheme,
  Purpose,
  RemoteAccess,
} from '../transport.ts';
import { TOOK_NOTHING, TOOK_OTHER } from '../transport.ts';
import {
  CONTROL,
  CONTROL_BIT,
  EXTENDED_BIT,
  HEADER,
  maxBodyOf,
  PACKET_EXTENSION_BYTES,
  PACKET_HEADER_BYTES,
  type PacketLayout,
} from './layout.ts';
import type { OneSided } from './one-sided.ts';
import type { PacketQueue, PacketSlots } from './ports.ts';
import { PacketReceiver } from './receiver.ts';
import type { SendSlots } from './send-slots.ts';
import { PacketSender } from './sender.ts';
import { CreditWindow, OWES_NOTHING } from './window.ts';

/**
 * Work requests of a connection that are under way at one time. With one more a device would round up to
 * the next power of two.
 */
export const SEND_DEPTH = 31;

const SCHEMES: readonly OneSidedScheme[] = ['get', 'put'];

/** What the channels of a transport share. */
export interface Shared {
  readonly layout: PacketLayout;
  readonly rank: number;
  readonly sends: SendSlots;
  readonly receives: PacketSlots;
  /** The receive slots as words. */
  readonly words: Int32Array;
  readonly segmentBytes: number;
  /** Whether memory can be read and written in place. */
  readonly oneSided: boolean;
  /**
   * Takes completions, after up to this many looks for one. Packets go to {@link PacketChannel.arrived}.
   */
  pump(looks: number): number;
  /** Whether the transport's poll has news besides packets. */
  readonly news: boolean;
  /** The channel has packets to deliver. */
  waiting(channel: PacketChannel): void;
  /** The channel has failed; the next poll tells. */
  broken(channel: PacketChannel): void;
  /** The peer waits to hear that its credit came. */
  owing(channel: PacketChannel): void;
  heard(peer: number): void;
}

type State = 'connecting' | 'ready' | 'broken' | 'left' | 'closed';

export class PacketChannel<Queue extends PacketQueue = PacketQueue> implements Channel {
  readonly transport: string;
  readonly peer: number;
  readonly maxBody: number;
  readonly eagerBytes: number;
  readonly schemes: readonly OneSidedScheme[];
  readonly inboundClaims = null;
  readonly outboundClaims = null;
  readonly segmentBytes: number;
  queue: Queue;
  readonly window: CreditWindow;
  readonly memory: OneSided;
  state: State = 'connecting';
  /** Why it is broken. */
  error: Error | null = null;
  /** The peer said that it is in MPI.finalize(). */
  leaving = false;
  /** Which connection is the peer's, as it has told ({@link CONTROL}.link); 0: it has not. */
  link = 0;
  /** Whether the channel stands in the transport's list of those with packets. */
  listed = false;
  /** A question whether the peer answers is under way. */
  probing = false;
  /** Since when, by the transport's clock. */
  probedAt = 0;
  /** Packets that came, the oldest of which is delivered. */
  readonly packets: PacketReceiver;
  readonly #shared: Shared;
  readonly #sender: PacketSender;

  constructor(peer: number, queue: Queue, shared: Shared, memory: OneSided) {
    this.peer = peer;
    this.queue = queue;
    this.memory = memory;
    this.segmentBytes = shared.segmentBytes;
    this.#shared = shared;
    const { layout } = shared;
    this.transport = layout.transport;
    this.window = new CreditWindow(layout.windowBytes);
    this.maxBody = maxBodyOf(layout);
    this.eagerBytes = layout.eagerBytes;
    this.schemes = shared.oneSided ? SCHEMES : [];
    const { sends, receives, words } = shared;
    this.packets = new PacketReceiver(receives, words, this.window, layout.slotWords);
    this.#sender = new PacketSender(queue, this.window, sends, receives, (error) =>
      this.fail(error),
    );
    this.adopt(queue);
  }

  /** Takes a queue pair, in place of one over which nothing was sent yet. */
  adopt(queue: Queue): void {
    this.queue = queue;
    this.memory.queue = queue;
    this.#sender.adopt(queue);
    queue.owner = this;
    queue.onError = (error) => this.fail(error);
  }

  // ---- sending

  trySend(
    kind: number,
    context: number,
    tag: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    if (this.state !== 'ready') return false;
    return this.#sender.data(kind | (context << 8), tag, null, bytes, null, offset, length);
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
    if (this.state !== 'ready') return false;
    const word = kind | (context << 8) | EXTENDED_BIT;
    return this.#sender.data(word, tag, extension, bytes, null, offset, length);
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
    if (this.state !== 'ready') return false;
    const word = kind | (context << 8) | (extension === null ? 0 : EXTENDED_BIT);
    return this.#sender.data(word, tag, extension, NO_BYTES, body, offset, length);
  }

  /** Sends one of {@link CONTROL}; false: not now. */
  control(kind: number, tag = 0): boolean {
    return this.state === 'ready' && this.#sender.control(kind, tag);
  }

  // ---- credits

  returnCredit(credit: number): void {
    this.window.returnCredit(credit);
  }

  creditReturned(): number {
    return this.window.creditReturned;
  }

  flush(): void {
    this.settle(true);
  }

  /** Tells the peer what was taken, where that is due. */
  settle(sleeping: boolean): void {
    const owed = this.window.owed(sleeping);
    if (owed === OWES_NOTHING) return;
    if (this.control(owed) && owed === CONTROL.credit) this.window.sentCredit();
  }

  // ---- receiving

  /** Packets to deliver. */
  get any(): boolean {
    return this.packets.any;
  }

  /** A packet came into a slot, from within {@link Shared.pump}. */
  arrived(slot: number, bytes: number): void {
    const { words, receives } = this.#shared;
    if (this.state === 'connecting') this.#shared.heard(this.peer);
    const at = slot * this.#shared.layout.slotWords;
    const word = words[at + HEADER.kindContext];
    const head =
      word & EXTENDED_BIT ? PACKET_HEADER_BYTES + PACKET_EXTENSION_BYTES : PACKET_HEADER_BYTES;
    const sane = bytes >= head && bytes - head <= this.maxBody;
    if (!sane || !this.window.learn(words[at + HEADER.taken], words[at + HEADER.returned])) {
      receives.post(slot);
      this.#garbage('a packet with a header that is not of our protocol');
    } else if (word & CONTROL_BIT) {
      const tag = words[at + HEADER.tag];
      receives.post(slot);
      this.#onControl(word & 0xff, tag);
    } else if (this.packets.keep(slot, bytes)) {
      if (!this.listed) this.#shared.waiting(this);
    } else {
      receives.post(slot);
      this.#garbage('more packets than it has credit for');
    }
  }

  #garbage(what: string): void {
    this.fail(new MpiError('ERR_PROTOCOL', `rank ${this.peer} sent ${what}`, { peer: this.peer }));
  }

  #onControl(kind: number, tag: number): void {
    if (kind === CONTROL.credit) {
      this.window.tookCredit();
      this.#shared.owing(this);
    } else if (kind === CONTROL.leaving) this.leaving = true;
    else if (kind === CONTROL.left) {
      this.leaving = true;
      if (this.state !== 'broken') {
        this.state = 'left';
        this.#shared.broken(this);
      }
    } else if (kind === CONTROL.link) this.link = tag;
    else if (kind !== CONTROL.acknowledge) this.#garbage(`the unknown control packet ${kind}`);
  }

  tryTake(kind: number, context: number, tag: number, to: unknown): number {
    const { packets } = this;
    if (!packets.any) {
      this.#shared.pump(this.#shared.layout.directLooks);
      if (!packets.any) return this.#shared.news ? TOOK_OTHER : TOOK_NOTHING;
    }
    const length = packets.take(kind, context, tag, to);
    if (length >= 0 && this.window.owed(false) !== OWES_NOTHING) this.settle(false);
    return length;
  }

  get takenTag(): number {
    return this.packets.takenTag;
  }

  // ---- memory

  exportMemory(
    bytes: Uint8Array,
    offset: number,
    length: number,
    purpose: Purpose,
    access: RemoteAccess,
  ): boolean {
    return this.memory.exportMemory(bytes, offset, length, purpose, access);
  }

  maps(): boolean {
    return false;
  }

  revoke(access: RemoteAccess): void {
    this.memory.revoke(access);
  }

  pull(
    access: RemoteAccess,
    at: number,
    to: Uint8Array,
    offset: number,
    length: number,
    done: Done,
  ): boolean {
    return this.memory.move('read', access, at, to, offset, length, done);
  }

  push(
    access: RemoteAccess,
    at: number,
    from: Uint8Array,
    offset: number,
    length: number,
    done: Done,
  ): boolean {
    return this.memory.move('write', access, at, from, offset, length, done);
  }

  // ---- the end

  /** The connection has failed. The next poll ends it and says why. */
  fail(error: Error): void {
    if (this.state === 'broken' || this.state === 'closed') return;
    // Nothing more comes from a peer that has left.
    if (this.state === 'left') return;
    this.state = 'broken';
    this.error = this.#told(error);
    this.memory.cause = error;
    this.#shared.broken(this);
  }

  /** The peer has broken the protocol: the rest of its packets is dropped. */
  spoil(error: Error): void {
    this.drop();
    if (this.state === 'left') this.error = error;
    else this.fail(error);
  }

  #told(error: Error): Error {
    const known = error instanceof MpiError ? error : null;
    if (known === null || known.code === 'ERR_PROTOCOL' || known.code === 'ERR_UNREACHABLE')
      return error;
    return new MpiError(
      'ERR_PEER_FAILED',
      `the connection with rank ${this.peer} broke: ${error.message}; has that rank ended, or is the network down (${this.#shared.layout.advice})?`,
      {
        rank: this.#shared.rank,
        peer: this.peer,
        cause: error,
        ...(known.errno !== undefined && { errno: known.errno }),
      },
    );
  }

  /**
   * No operation of the peer touches this process's memory any more. All operations under way are told.
   */
  close(): void {
    if (this.state === 'closed') return;
    if (this.state !== 'left') this.state = 'closed';
    this.queue.close();
    this.memory.close(
      this.error ??
        new MpiError('ERR_PEER_FAILED', `the connection with rank ${this.peer} has ended`, {
          peer: this.peer,
        }),
    );
  }

  /** Gives back the slots of packets that nobody will take. */
  drop(): void {
    while (this.any) this.packets.advance();
  }
}
