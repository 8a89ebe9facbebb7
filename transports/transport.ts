/**
 * What a transport is: packets between two processes, in order, with room that can run out. It knows
 * nothing of matching, requests or protocols; a packet's header words mean nothing to it.
 *
 * A packet is a header (kind, context, tag, and up to {@link EXTENSION_WORDS} further words) and a
 * body of 0..maxBody bytes. `test/conformance/transports/` runs the same cases over every implementation.
 */

import type { MpiError } from '../runtime/base/error.ts';
import type { SharedBlocks } from './shared-block.ts';

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
/**
 * A transport may hold back a credit in which none of these bits is set: fewer than 8192 messages and 512
 * units.
 */
export const CREDIT_DUE = 0x3e000 | (0x3e00 << CREDIT_SHIFT);

/** The packet being delivered; valid only inside {@link PacketHandler.onPacket}. */
export interface Packet {
  kind: number;
  context: number;
  tag: number;
  /** Bytes of body. */
  length: number;
  /** The extension words; they have a meaning only where the sender gave some. */
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
   * The peer broke the protocol, or is gone. Nothing more comes from it, and no operation of it touches
   * this process's memory any more. Every {@link Done} of its channel was called before.
   */
  onPeerError(peer: number, error: Error): void;
}

/** Keeps memory reachable until it is released: a lease. */
export interface Hold {
  release(): void;
}

/**
 * Memory of one process that another process may reach without help. `kind`, `low`, `high` and `key` travel
 * in a header. They say how the memory is reached, where it lies (64 bits), and under which name a device
 * finds it.
 */
export interface RemoteAccess {
  kind: number;
  low: number;
  high: number;
  /** For {@link ACCESS_KEY}. */
  key: number;
  /** Keeps the memory reachable on this side; it never travels. */
  hold: Hold | null;
}

/** Memory of a peer that this process maps: bytes of `window`, from `at` on. */
export interface MappedPlace {
  window: Uint8Array;
  at: number;
}

export function newRemoteAccess(): RemoteAccess {
  return { kind: ACCESS_NONE, low: 0, high: 0, key: 0, hold: null };
}

/** What the peer will do with exported memory: read it, or write it. */
export type Purpose = 'pull' | 'push';

/**
 * How the bytes of a message move without packets: the receiver fetches them, the sender writes them, or
 * both ends copy.
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
  /** Messages up to this many bytes go eagerly, in as many packets as they need. */
  readonly eagerBytes: number;
  /**
   * Longest range of one export, pull or push, in bytes. Infinity where exporting costs nothing; a pull or
   * push is then complete when the call returns.
   */
  readonly segmentBytes: number;
  /**
   * One-sided schemes towards this peer. Peers that are reached alike share one array. Whether a certain
   * buffer can go so shows when it is exported.
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
  /**
   * Sends a packet whose body is all of a small buffer, if the one before had the same buffer. A buffer that was sent before is known
   * to be one: its sender need not look at it again.
   * @param bytes anything
   * @returns the body's length; 0: nothing was sent, {@link trySend} may do it
   */
  trySendAgain(kind: number, context: number, tag: number, bytes: unknown): number;
  /** {@link trySend} with extension words. */
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
   * Takes the peer's next packet if it has this `kind`, `context` and `tag`, its body fits into `to`, and
   * it has no extension words. A receive that knows which packet comes next needs no delivery.
   * @param to what is no array of bytes, or has none, takes nothing
   * @param looks how often to look for a packet, if none is there; a transport whose looks cost much looks
   *   less often
   * @returns the body's length, TOOK_NOTHING, or TOOK_OTHER
   */
  tryTake(kind: number, context: number, tag: number, to: unknown, looks: number): number;
  /** The tag of the packet that {@link tryTake} took last. */
  readonly takenTag: number;

  /** Returns so much credit to the peer. A transport may hold credit back and add it up. */
  returnCredit(credit: number): void;
  /** All credit that the peer has returned so far, modulo 2^32. */
  creditReturned(): number;
  /** Publishes credit and room that were held back. Called before a rank sleeps. */
  flush(): void;

  /**
   * Whether the peer maps this memory. If so the peer had best fetch even a short message from where it
   * lies.
   */
  maps(bytes: Uint8Array): boolean;
  /**
   * Makes `bytes[offset, offset + length)` reachable for the peer until {@link revoke}, and writes into
   * `access` how. False: the memory cannot be reached, and `access` is of ACCESS_NONE. Never throws.
   */
  exportMemory(
    bytes: Uint8Array,
    offset: number,
    length: number,
    purpose: Purpose,
    access: RemoteAccess,
  ): boolean;
  /** The peer needs the memory no longer: releases what holds it. `access` is then of ACCESS_NONE. */
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
   * Where exported memory lies that this process maps in one piece; absent where it maps none. Its contents are there as long as the peer exports it.
   * @param found what it is written into. @returns false: it has to be pulled
   */
  locate?(access: RemoteAccess, at: number, length: number, found: MappedPlace): boolean;
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
  /** Words that both ends see, for shared copies: of messages from the peer, and of messages to it. */
  readonly inboundClaims: Int32Array | null;
  readonly outboundClaims: Int32Array | null;
}

export interface Transport {
  readonly name: string;
  /** The channel to `peer`, made on first contact. @throws MpiError ERR_NO_MEM, ERR_UNREACHABLE */
  connect(peer: number): Channel;
  /**
   * Delivers packets that have arrived, up to a bounded number.
   * @returns how many packets were delivered
   */
  poll(handler: PacketHandler): number;
  /** After `arm` whatever a peer sends rings the doorbell; the caller polls once more before it sleeps. */
  arm(how: 'block' | 'loop'): void;
  /** Ends what `arm` began; {@link wakeFd} is not readable any more. */
  disarm(): void;
  /** Blocks the thread until the doorbell rings or `milliseconds` pass. Only after `arm('block')`. */
  block(milliseconds: number): void;
  /**
   * Descriptor that becomes readable when the doorbell rings after `arm('loop')`. It is for callers that wait
   * for several transports at once, and then call `disarm`. -1 where no other rank can ring.
   */
  readonly wakeFd: number;
  /**
   * Calls `onDoorbell` from the event loop whenever the doorbell rings after `arm('loop')`; it may call once too
   * often. What it gives keeps the process alive until `unref` or `close`.
   */
  watch(onDoorbell: () => void): { ref(): void; unref(): void; close(): void };
  /** 'leaving': the rank is in MPI.finalize(). 'left': it has closed its transports in order. */
  presence(peer: number): 'absent' | 'present' | 'leaving' | 'left';
  /** Memory that ranks of this node have in common; left out where there is none. */
  readonly blocks?: SharedBlocks | undefined;
  /** Tells all ranks that this rank posts no more receives. */
  leave(): void;
  /**
   * Ends operations under way as well: calls every {@link Done} that was not called yet, with an error.
   */
  close(): void;
}
