/**
 * What a transport is: packets between two processes, in order, with room that can run out. It knows
 * nothing of matching, requests or protocols; a packet's header words mean nothing to it.
 *
 * A packet is a header (kind, context, tag, and up to {@link EXTENSION_WORDS} further words) and a
 * body of 0..maxBody bytes. `test/conformance/transports/` runs the same cases over every implementation.
 */

import type { MpiError } from '../runtime/base/error.ts';

/** Header words beyond kind, context and tag that a packet may carry. */
export const EXTENSION_WORDS = 8;
/** Largest packet kind (8 bits of the header). */
export const KIND_MAX = 0xff;
/** Largest context id (22 bits of the header). */
export const CONTEXT_MAX = 0x3f_ffff;

/**
 * Credit is two counts in one number modulo 2^32: messages in its low bits, units of bytes above
 * (docs/internals/protocol.md#credit). A transport adds up such numbers, and carries the sum.
 */
export const CREDIT_SHIFT = 18;
/** A transport may hold back credit in which none of these bits is set: under 8192 messages, and under 512 units. */
export const CREDIT_DUE = 0x3e000 | (0x3e00 << CREDIT_SHIFT);

/** The packet being delivered; valid only inside {@link PacketHandler.onPacket}. */
export interface Packet {
  kind: number;
  context: number;
  tag: number;
  /** Bytes of body. */
  length: number;
  /** The extension words; meaningful where the sender gave some. */
  readonly extension: Int32Array;
  /** Copies the whole body to `to[at..]`. The caller has checked that it fits. */
  copyTo(to: Uint8Array, at: number): void;
  /** Puts the whole body where a message's bytes from `offset` on lie. The caller has checked that it fits. */
  unpackTo(to: Noncontiguous, offset: number): void;
}

/** A message's bytes that do not lie side by side, in the order in which they travel. */
export interface Noncontiguous {
  /** Bytes of the message. */
  readonly length: number;
  /** The memory is still there: it is not detached or shrunk. */
  readonly intact: boolean;
  /** Copies the message's bytes [offset, offset + length) to `to[at..]`. Only while it is intact. */
  pack(offset: number, length: number, to: Uint8Array, at: number): void;
  /** Copies `from[at..]` to where the message's bytes [offset, offset + length) lie. Only while it is intact. */
  unpack(offset: number, length: number, from: Uint8Array, at: number): void;
}

export interface PacketHandler {
  onPacket(peer: number, packet: Packet): void;
  /**
   * The peer sent what no peer of ours sends, or is gone. Nothing more comes from it, nothing of it
   * touches this process's memory any more, and every {@link Done} of its channel was called before.
   */
  onPeerError(peer: number, error: Error): void;
}

/** What keeps memory reachable until it is released: a lease. */
export interface Hold {
  release(): void;
}

/**
 * Memory of one process that another may reach without its help. `kind`, `low`, `high` and `key`
 * travel in a header: how, where (64 bits), and under which name a device reaches it.
 */
export interface RemoteAccess {
  kind: number;
  low: number;
  high: number;
  /** For {@link ACCESS_KEY}. */
  key: number;
  /** What keeps the memory reachable on this side; it never travels. */
  hold: Hold | null;
}

export function newRemoteAccess(): RemoteAccess {
  return { kind: ACCESS_NONE, low: 0, high: 0, key: 0, hold: null };
}

/** What the peer will do with exported memory: read it, or write it. */
export type Purpose = 'pull' | 'push';

/**
 * How two processes move bytes without the help of the other: the receiver fetches them, the sender
 * writes them, or both copy as they get to it.
 */
export type OneSidedScheme = 'get' | 'put' | 'share';

/** Tells the end of a pull or push that was under way: null, or why it failed. */
export type Done = (error: MpiError | null) => void;

/** {@link RemoteAccess.kind}: not reachable. */
export const ACCESS_NONE = 0;
/** {@link RemoteAccess.kind}: an offset in memory that both processes map. */
export const ACCESS_MAPPED = 1;
/** {@link RemoteAccess.kind}: an address in the process's own memory, reached through the kernel. */
export const ACCESS_ADDRESS = 2;
/** {@link RemoteAccess.kind}: an address that a device reaches under a key. */
export const ACCESS_KEY = 3;

/** {@link Channel.tryTake}: no packet is there. */
export const TOOK_NOTHING = -1;
/** {@link Channel.tryTake}: the next packet is another one; `poll` delivers it. */
export const TOOK_OTHER = -2;
/** {@link Channel.tryTake}: any tag. */
export const TAKE_ANY_TAG = -1;

/** The connection to one peer. */
export interface Channel {
  /** The name of its transport; for statistics. */
  readonly transport: string;
  readonly peer: number;
  /** Largest body of one packet, in bytes. */
  readonly maxBody: number;
  /** Messages up to this many bytes go unasked, in as many packets as they need. */
  readonly eagerBytes: number;
  /**
   * Longest range that one export, pull or push covers, in bytes. Infinity where exporting costs
   * nothing, and what is pulled or pushed is there when the call returns.
   */
  readonly segmentBytes: number;
  /**
   * One-sided schemes towards this peer; the same array for all peers that are reached alike.
   * Whether a given buffer can go that way shows when it is exported.
   */
  readonly schemes: readonly OneSidedScheme[];

  /** Sends a packet with body `bytes[offset, offset + length)`; false: no room now, nothing was sent. */
  trySend(
    kind: number,
    context: number,
    tag: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean;
  /** The same with extension words. */
  trySendExtended(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean;

  /** The same, or without extension words, with the bytes [offset, offset + length) of what is intact. */
  trySendPacked(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array | null,
    body: Noncontiguous,
    offset: number,
    length: number,
  ): boolean;

  /**
   * Takes the peer's next packet if it is one of `kind`, `context` and `tag` whose body fits into `to`:
   * a receive that knows what comes next needs no delivery. Never takes one that has extension words.
   * @param looks how often to look for a packet, if none is there; where a look is dear a transport
   *   takes its own measure
   * @returns the body's length, TOOK_NOTHING, or TOOK_OTHER
   */
  tryTake(kind: number, context: number, tag: number, to: Uint8Array, looks: number): number;
  /** The tag of the packet that {@link tryTake} took last. */
  readonly takenTag: number;

  /** Tells the peer that what it sent for so much credit was taken; may be held back and summed up. */
  returnCredit(credit: number): void;
  /** Everything that the peer returned so far, modulo 2^32. */
  creditReturned(): number;
  /** Publishes what {@link returnCredit} and room keeping hold back. Called before a rank sleeps. */
  flush(): void;

  /** Whether the peer maps this memory: it fetches even a short message best from where it lies. */
  maps(bytes: Uint8Array): boolean;
  /**
   * Makes `bytes[offset, offset + length)` reachable for the peer, and writes into `access` how; open
   * until {@link revoke}. False: it cannot be, and `access` is of ACCESS_NONE. Never throws.
   */
  exportMemory(
    bytes: Uint8Array,
    offset: number,
    length: number,
    purpose: Purpose,
    access: RemoteAccess,
  ): boolean;
  /** The peer needs the memory no longer: gives back what holds it. `access` is then of ACCESS_NONE. */
  revoke(access: RemoteAccess): void;
  /**
   * Copies from the peer's exported memory, from its byte `at` on, into `to[offset, offset + length)`.
   *
   * True: done when it returns, and `done` is not called. False: under way, and `done` is called once,
   * from `poll` or `close`, with what it ended with; `to` is held until then. How many can be under
   * way is the transport's business: a pull that finds no room in a queue waits in the transport.
   * @throws MpiError where nothing was begun: ERR_PROTOCOL and ERR_PEER_FAILED where the message is
   *   lost, any other where its bytes may still come in packets
   */
  pull(
    access: RemoteAccess,
    at: number,
    to: Uint8Array,
    offset: number,
    length: number,
    done: Done,
  ): boolean;
  /**
   * Copies `from[offset, offset + length)` into the peer's exported memory, from its byte `at` on, as
   * {@link pull} does. What is sent after `done` finds the bytes there.
   */
  push(
    access: RemoteAccess,
    at: number,
    from: Uint8Array,
    offset: number,
    length: number,
    done: Done,
  ): boolean;
  /** Words that both ends see, for copies that both work on: from the peer to us, from us to it. */
  readonly inboundClaims: Int32Array | null;
  readonly outboundClaims: Int32Array | null;
}

export interface Transport {
  readonly name: string;
  /** The channel to `peer`, made on first contact. @throws MpiError ERR_NO_MEM, ERR_UNREACHABLE */
  connect(peer: number): Channel;
  /** Delivers what has arrived, at most a bounded number of packets; how many it was. */
  poll(handler: PacketHandler): number;
  /** After `arm` whatever a peer sends rings the bell; the caller polls once more before it sleeps. */
  arm(how: 'block' | 'loop'): void;
  /** Ends what `arm` began; {@link wakeFd} is not readable any more. */
  disarm(): void;
  /** Blocks the thread until the bell rings or `milliseconds` pass. Only after `arm('block')`. */
  block(milliseconds: number): void;
  /**
   * Descriptor that becomes readable when the bell rings after `arm('loop')`, for whoever waits for
   * several transports at once and calls `disarm` then; -1 where nobody else can ring.
   */
  readonly wakeFd: number;
  /**
   * Calls `onBell` from the event loop whenever the bell rings after `arm('loop')`; it may call once too
   * often. What it gives keeps the process alive until `unref` or `close`.
   */
  watch(onBell: () => void): { ref(): void; unref(): void; close(): void };
  /** 'leaving': it is in MPI.finalize(); 'left': it has closed its transports in order. */
  presence(peer: number): 'absent' | 'present' | 'leaving' | 'left';
  /** Says to all that this rank posts no more receives. */
  leave(): void;
  /** Ends what is under way, too: every {@link Done} that was not called yet is called with an error. */
  close(): void;
}
