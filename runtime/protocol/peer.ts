/** What a rank keeps of each rank it talks to: the channel, credit, and what waits for room. */

import type { Channel } from '../../transports/transport.ts';
import type { MpiError } from '../error.ts';
import type { Request } from '../request.ts';
import type { OutgoingTransfer } from './transfer.ts';

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

/** Something that waits for room in the channel, in order. */
export interface Waiting {
  /** Tries again; true: done, the next one's turn. */
  retry(): boolean;
  fail(error: MpiError): void;
}

export class Peer {
  readonly rank: number;
  readonly channel: Channel;
  /** Sends and answers that found no room, first come first served. */
  readonly waiting: Waiting[] = [];
  /** Messages of which the receiver takes piece by piece. */
  readonly streams: OutgoingTransfer[] = [];
  /** Set once, when the peer cannot be talked to any more. */
  error: MpiError | null = null;
  /** Receives matched to this peer whose message is still coming, and sends that it has to take. */
  readonly open = new Set<Request>();
  #charged = 0;
  #returned = 0;

  constructor(rank: number, channel: Channel) {
    this.rank = rank;
    this.channel = channel;
  }

  /** Whether a message may go now without overtaking an earlier one. */
  get idle(): boolean {
    return this.waiting.length === 0;
  }

  get busy(): boolean {
    return this.waiting.length > 0 || this.streams.length > 0;
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

  /** Sends what waits for room, as far as there is some. */
  push(): void {
    const waiting = this.waiting;
    let done = 0;
    while (done < waiting.length && waiting[done].retry()) done++;
    if (done > 0) waiting.splice(0, done);
    const streams = this.streams;
    for (let i = 0; i < streams.length; ) {
      if (streams[i].stream()) streams.splice(i, 1);
      else i++;
    }
  }
}
