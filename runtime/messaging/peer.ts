/** What a rank keeps of each rank it talks to: the channel, credit, and what waits for room. */

import type { Channel } from '../../transports/transport.ts';
import type { MpiError } from '../base/error.ts';
import type { Request } from '../mpi/point-to-point/request.ts';
import { EAGER } from './wire.ts';

/**
 * What a receiver keeps for one peer's messages that it did not ask for yet, in bytes: beyond it a
 * sender's messages wait at the sender, and only their envelopes travel.
 */
export const UNEXPECTED_BYTES_MAX = 1024 * 1024;
/**
 * What it keeps for that peer's envelopes, 131072 of them; beyond it the sender waits altogether, and a
 * receive of a message behind them is never served.
 */
export const ENVELOPE_BYTES_MAX = 32 * 1024 * 1024;
/** What an envelope is charged with, beside the bytes that come with it. */
export const ENVELOPE_BYTES = 256;

/** Polls of one peer's channel alone, before a receive looks at all of them. */
export const DIRECT_POLLS = 400;
/** Looks of each such poll. */
export const DIRECT_POLL_LOOKS = 8;

/** Something that waits for room in the channel, in order. */
export interface Waiting {
  /** Tries again; true: done, the next one's turn. */
  retry(): boolean;
  fail(error: MpiError): void;
}

/** A message of which packets are sent whenever there is room for them. */
export interface Stream {
  readonly request: Request;
  /** Sends what there is room for; true: nothing more to send. */
  stream(): boolean;
}

export class Peer {
  readonly rank: number;
  readonly channel: Channel;
  /** Messages of up to this many bytes go in one packet; the first packet of a larger one has so many. */
  readonly pieceBytes: number;
  /** Messages of up to this many bytes go at once, whether or not somebody waits for them. */
  readonly eagerBytes: number;
  /** A message may go now: none waits that it would overtake, and the peer is not lost. */
  clear = true;
  readonly streams: Stream[] = [];
  /** Size classes of which this peer fetched the last message: a piece sent along would only wait. */
  readonly fetches = new Set<number>();
  /** Packets of transfers under way that found no room: before all else, since others wait for them. */
  readonly #controls: (() => boolean)[] = [];
  /** Sends and answers that found no room, first come first served. */
  readonly #waiting: Waiting[] = [];
  #error: MpiError | null = null;
  #charged = 0;
  #returned = 0;

  constructor(rank: number, channel: Channel) {
    this.rank = rank;
    this.channel = channel;
    this.eagerBytes = channel.eagerBytes;
    this.pieceBytes = Math.min(channel.maxBody, channel.eagerBytes);
  }

  /** Set once, when the peer cannot be talked to any more. */
  get error(): MpiError | null {
    return this.#error;
  }

  get busy(): boolean {
    return this.#waiting.length > 0 || this.streams.length > 0 || this.#controls.length > 0;
  }

  /** Packets of transfers wait for room: whatever belongs to one must not overtake them. */
  get holdsControls(): boolean {
    return this.#controls.length > 0;
  }

  /** A packet of a transfer that found no room, or others such before it. */
  holdControl(send: () => boolean): void {
    this.#controls.push(send);
  }

  /** How many operations wait for room. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Sends a small message at once; false: it takes a request. The hot path of a blocking send.
   * @param length of `bytes`, at most `pieceBytes`
   */
  trySendNow(context: number, tag: number, bytes: Uint8Array, length: number): boolean {
    // Compared: V8 would test a field for all that counts as true.
    if (this.clear !== true) return false;
    const charge = length + ENVELOPE_BYTES;
    if (!this.hasCredit(charge, UNEXPECTED_BYTES_MAX)) return false;
    if (!this.channel.trySend(EAGER, context, tag, bytes, 0, length)) return false;
    this.charge(charge);
    return true;
  }

  /** Whether a message goes at once, if there is credit: it is short, and not better fetched. */
  goesUnasked(bytes: Uint8Array, length: number): boolean {
    if (length <= this.pieceBytes) return true;
    return length <= this.eagerBytes && !this.channel.maps(bytes);
  }

  /** Whether the receiver has room for `bytes` more in its unexpected messages. */
  hasCredit(bytes: number, limit: number): boolean {
    if (((this.#charged + bytes - this.#returned) | 0) <= limit) return true;
    this.#returned = this.channel.creditReturned();
    return ((this.#charged + bytes - this.#returned) | 0) <= limit;
  }

  charge(bytes: number): void {
    this.#charged = (this.#charged + bytes) | 0;
  }

  wait(operation: Waiting): void {
    this.#waiting.push(operation);
    this.clear = false;
  }

  /** Sends what waits for room, as far as there is some. */
  push(): void {
    const controls = this.#controls;
    while (controls.length > 0) {
      if (!controls[0]()) return;
      controls.shift();
    }
    const waiting = this.#waiting;
    let done = 0;
    while (done < waiting.length && waiting[done].retry()) done++;
    if (done > 0) waiting.splice(0, done);
    this.clear = waiting.length === 0 && this.#error === null;
    const { streams } = this;
    for (let i = 0; i < streams.length; ) {
      if (streams[i].stream()) streams.splice(i, 1);
      else i++;
    }
  }

  /** The peer is lost: what waits for room fails, and nothing more goes. */
  lose(error: MpiError): void {
    this.#error ??= error;
    this.clear = false;
    this.#controls.length = 0;
    for (const operation of this.#waiting.splice(0)) operation.fail(error);
  }
}
