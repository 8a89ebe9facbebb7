/** The connection to one peer: packets by SEND, memory by RDMA. */
import { constants } from 'node:os';
import { lengthOf } from '../../../runtime/base/bytes.ts';
import { MpiError } from '../../../runtime/base/error.ts';
import type {
  Channel,
  Done,
  OneSidedScheme,
  Packet,
  Purpose,
  RemoteAccess,
} from '../../transport.ts';
import { EXTENSION_WORDS, TAKE_ANY_TAG, TOOK_NOTHING, TOOK_OTHER } from '../../transport.ts';
import type { PacketQueue, PacketSlots } from '../ports.ts';
import type { OneSided } from '../rdma/one-sided.ts';
import { copyBytes } from './bytes.ts';
import type { SendSlots } from './send-slots.ts';
import { CreditWindow, OWES_NOTHING } from './window.ts';
import {
  CONTROL,
  CONTROL_BIT,
  DATA_WINDOW,
  EXTENDED_BIT,
  HEADER,
  VERBS_EXTENSION_BYTES,
  VERBS_HEADER_BYTES,
  VERBS_MAX_BODY,
  VERBS_SLOT_BYTES,
} from './wire.ts';

/**
 * Work requests of a connection that are under way at one time. With one more a device would round up to
 * the next power of two.
 */
export const SEND_DEPTH = 31;
/** Longest packet that goes inline, its header included, where the device does that. */
export const INLINE_BYTES = 256;
/** Longest message that is sent eagerly, in packets of VERBS_MAX_BODY. */
export const VERBS_EAGER_BYTES = 8192;
/** Receive slots, beyond those promised to peers, that wait to be posted without harm. */
export const SPARE_SLOTS = 32;

/** Looks for completions in one call of the addon, for a receive that polls this connection alone. */
export const DIRECT_LOOKS = 32;

const SLOT_WORDS = VERBS_SLOT_BYTES / 4;
const SCHEMES: readonly OneSidedScheme[] = ['get', 'put'];
const { EAGAIN } = constants.errno;

/** What the channels of a transport share. */
export interface Shared {
  readonly rank: number;
  readonly sends: SendSlots;
  readonly receives: PacketSlots;
  /** The receive slots as words. */
  readonly words: Int32Array;
  readonly segmentBytes: number;
  /**
   * Takes completions, after up to this many looks for one. Packets go to {@link VerbsChannel.arrived}.
   */
  pump(looks: number): number;
  /** Whether the transport's poll has news besides packets. */
  readonly news: boolean;
  /** The channel has packets to deliver. */
  waiting(channel: VerbsChannel): void;
  /** The channel has failed; the next poll tells. */
  broken(channel: VerbsChannel): void;
  /** The peer waits to hear that its credit came. */
  owing(channel: VerbsChannel): void;
  heard(peer: number): void;
}

type State = 'meeting' | 'ready' | 'broken' | 'left' | 'closed';

export class VerbsChannel implements Channel, Packet {
  readonly transport = 'verbs';
  readonly peer: number;
  readonly maxBody = VERBS_MAX_BODY;
  readonly eagerBytes = VERBS_EAGER_BYTES;
  readonly schemes = SCHEMES;
  readonly inboundClaims = null;
  readonly outboundClaims = null;
  readonly segmentBytes: number;
  queue: PacketQueue;
  readonly window = new CreditWindow();
  readonly memory: OneSided;
  state: State = 'meeting';
  /** Why it is broken. */
  error: Error | null = null;
  /** The peer said that it is in MPI.finalize(). */
  leaving = false;
  /** Whether the channel stands in the transport's list of those with packets. */
  listed = false;
  /** A question whether the peer answers is under way. */
  probing = false;
  /** Since when, by the transport's clock. */
  probedAt = 0;
  takenTag = 0;

  // The packet being delivered.
  kind = 0;
  context = 0;
  tag = 0;
  length = 0;
  readonly extension = new Int32Array(EXTENSION_WORDS);
  #body = 0;

  readonly #shared: Shared;
  #inlineBytes = 0;
  /** Packets that came and were not taken: their slots and lengths, in a ring. */
  readonly #slots = new Int32Array(DATA_WINDOW);
  readonly #lengths = new Int32Array(DATA_WINDOW);
  #head = 0;
  #tail = 0;

  constructor(peer: number, queue: PacketQueue, shared: Shared, memory: OneSided) {
    this.peer = peer;
    this.queue = queue;
    this.memory = memory;
    this.segmentBytes = shared.segmentBytes;
    this.#shared = shared;
    this.adopt(queue);
  }

  /** Takes a queue pair, in place of one over which nothing was sent yet. */
  adopt(queue: PacketQueue): void {
    this.queue = queue;
    this.memory.queue = queue;
    this.#inlineBytes = Math.min(INLINE_BYTES, queue.inlineBytes);
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
    return this.#sendData(kind | (context << 8), tag, null, bytes, offset, length);
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
    const word = kind | (context << 8) | EXTENDED_BIT;
    return this.#sendData(word, tag, extension, bytes, offset, length);
  }

  #sendData(
    word: number,
    tag: number,
    extension: Int32Array | null,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    if (this.state !== 'ready' || !this.window.room) return false;
    const { sends } = this.#shared;
    const head =
      extension === null ? VERBS_HEADER_BYTES : VERBS_HEADER_BYTES + VERBS_EXTENSION_BYTES;
    const inline = head + length <= this.#inlineBytes;
    const slot = inline ? 0 : sends.take();
    if (slot < 0) return false;
    const at = slot * VERBS_SLOT_BYTES;
    if (extension !== null) this.#writeExtension(slot, extension);
    copyBytes(sends.area.bytes, at + head, bytes, offset, length);
    const number = this.queue.posted;
    const sent = this.#post(slot, word, tag, head + length, inline, !inline);
    if (sent) this.window.sent();
    if (inline) return sent;
    if (sent) sends.hold(slot, this.queue, number);
    else sends.giveBack(slot);
    return sent;
  }

  #writeExtension(slot: number, extension: Int32Array): void {
    const { words } = this.#shared.sends;
    const at = slot * SLOT_WORDS + VERBS_HEADER_BYTES / 4;
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
    const { sends, receives } = this.#shared;
    // Only slots that are posted may be promised.
    if (receives.waiting > SPARE_SLOTS) receives.flush();
    const { words, area } = sends;
    const at = slot * SLOT_WORDS;
    words[at + HEADER.kindContext] = word;
    words[at + HEADER.tag] = tag;
    words[at + HEADER.taken] = this.window.takenWord;
    words[at + HEADER.returned] = this.window.returnedWord;
    const answer = this.queue.send(area, slot * VERBS_SLOT_BYTES, bytes, inline, signal);
    if (answer === 0) this.window.told();
    else if (answer !== -EAGAIN) this.#refused(-answer);
    return answer === 0;
  }

  #refused(errno: number): void {
    this.fail(
      new MpiError('ERR_PEER_FAILED', 'ibv_post_send failed', { errno, syscall: 'ibv_post_send' }),
    );
  }

  /** Sends one of {@link CONTROL}; false: not now. */
  control(kind: number): boolean {
    if (this.state !== 'ready') return false;
    const inline = this.#inlineBytes >= VERBS_HEADER_BYTES;
    const { sends } = this.#shared;
    const slot = inline ? 0 : sends.take();
    if (slot < 0) return false;
    const number = this.queue.posted;
    const signal = !inline || kind === CONTROL.left;
    const sent = this.#post(slot, kind | CONTROL_BIT, 0, VERBS_HEADER_BYTES, inline, signal);
    if (!inline && sent) sends.hold(slot, this.queue, number);
    else if (!inline) sends.giveBack(slot);
    return sent;
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
    return this.#head !== this.#tail;
  }

  /** A packet came into a slot, from within {@link Shared.pump}. */
  arrived(slot: number, bytes: number): void {
    const { words, receives } = this.#shared;
    if (this.state === 'meeting') this.#shared.heard(this.peer);
    const at = slot * SLOT_WORDS;
    const word = words[at + HEADER.kindContext];
    const head =
      word & EXTENDED_BIT ? VERBS_HEADER_BYTES + VERBS_EXTENSION_BYTES : VERBS_HEADER_BYTES;
    const sane = bytes >= head && bytes - head <= VERBS_MAX_BODY;
    if (!sane || !this.window.learn(words[at + HEADER.taken], words[at + HEADER.returned])) {
      receives.post(slot);
      this.#garbage('a packet with a header that is not of our protocol');
    } else if (word & CONTROL_BIT) {
      receives.post(slot);
      this.#onControl(word & 0xff);
    } else if (((this.#tail - this.#head) | 0) >= DATA_WINDOW) {
      receives.post(slot);
      this.#garbage('more packets than it has credit for');
    } else {
      const place = this.#tail & (DATA_WINDOW - 1);
      this.#slots[place] = slot;
      this.#lengths[place] = bytes;
      this.#tail = (this.#tail + 1) | 0;
      if (!this.listed) this.#shared.waiting(this);
    }
  }

  #garbage(what: string): void {
    this.fail(new MpiError('ERR_PROTOCOL', `rank ${this.peer} sent ${what}`, { peer: this.peer }));
  }

  #onControl(kind: number): void {
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
    } else if (kind !== CONTROL.acknowledge) this.#garbage(`the unknown control packet ${kind}`);
  }

  /** Makes the oldest packet the one that is delivered. */
  open(): void {
    const { words } = this.#shared;
    const place = this.#head & (DATA_WINDOW - 1);
    const at = this.#slots[place] * SLOT_WORDS;
    const word = words[at + HEADER.kindContext];
    this.kind = word & 0xff;
    this.context = (word >>> 8) & 0x3f_ffff;
    this.tag = words[at + HEADER.tag];
    let head = VERBS_HEADER_BYTES;
    if (word & EXTENDED_BIT) {
      for (let i = 0; i < EXTENSION_WORDS; i++)
        this.extension[i] = words[at + VERBS_HEADER_BYTES / 4 + i];
      head += VERBS_EXTENSION_BYTES;
    }
    this.#body = 4 * at + head;
    this.length = this.#lengths[place] - head;
  }

  copyTo(to: Uint8Array, at: number): void {
    copyBytes(to, at, this.#shared.receives.bytes, this.#body, this.length);
  }

  /** The oldest packet was taken. */
  advance(): void {
    const slot = this.#slots[this.#head & (DATA_WINDOW - 1)];
    this.#head = (this.#head + 1) | 0;
    this.#shared.receives.post(slot);
    this.window.took();
  }

  tryTake(kind: number, context: number, tag: number, to: Uint8Array): number {
    if (this.#head === this.#tail) {
      this.#shared.pump(DIRECT_LOOKS);
      if (this.#head === this.#tail) return this.#shared.news ? TOOK_OTHER : TOOK_NOTHING;
    }
    const { words, receives } = this.#shared;
    const place = this.#head & (DATA_WINDOW - 1);
    const at = this.#slots[place] * SLOT_WORDS;
    const length = this.#lengths[place] - VERBS_HEADER_BYTES;
    const itsTag = words[at + HEADER.tag];
    if (words[at + HEADER.kindContext] !== (kind | (context << 8))) return TOOK_OTHER;
    if (length > lengthOf(to) || itsTag < 0) return TOOK_OTHER;
    if (tag !== itsTag && tag !== TAKE_ANY_TAG) return TOOK_OTHER;
    copyBytes(to, 0, receives.bytes, 4 * at + VERBS_HEADER_BYTES, length);
    this.takenTag = itsTag;
    this.advance();
    if (this.window.owed(false) !== OWES_NOTHING) this.settle(false);
    return length;
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
    if (known?.code === 'ERR_PROTOCOL' || known === null) return error;
    return new MpiError(
      'ERR_PEER_FAILED',
      `the connection with rank ${this.peer} broke: ${error.message}; has that rank ended, or is the network down (rdma link, dmesg)?`,
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
    while (this.any) this.advance();
  }
}
