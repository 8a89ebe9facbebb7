/** What belongs to one context: receives without a message, and messages without a receive. */
import { NO_BYTES } from '../../base/bytes.ts';
import type { Arrival } from '../eager/multi.ts';
import type { Peer } from '../peer.ts';
import type { Offer } from '../rendezvous/offer.ts';
import { Envelope, PostedReceives, type PostingClock, UnexpectedMessages } from './bins.ts';
import type { Kept } from './kept-bodies.ts';

/** A message that came before its receive: whole, still arriving in packets, or only offered. */
export class UnexpectedMessage extends Envelope implements Kept {
  /** What the sender was charged with for it. */
  charge: number;
  /** Bytes of its body that are here, and where: in a slot, or an array of its own. */
  length = 0;
  chunk: Kept['chunk'] = null;
  slot = 0;
  body: Uint8Array = NO_BYTES;
  /** How the rest comes, where the body is not here. */
  arrival: Arrival | null = null;
  offer: Offer | null = null;

  constructor(source: number, tag: number, charge: number) {
    super(source, tag);
    this.charge = charge;
  }

  /** Bytes of the whole message. */
  get size(): number {
    return this.offer?.length ?? this.arrival?.length ?? this.length;
  }
}

/** Objects of messages that a pool keeps. */
const SPARE_MESSAGES_MAX = 1024;

/** Objects of small messages, used again: the collector would have to move each one that waits for its receive. */
export class UnexpectedMessagePool {
  readonly #idle: UnexpectedMessage[] = [];

  borrow(source: number, tag: number, charge: number): UnexpectedMessage {
    const message = this.#idle.pop();
    if (message === undefined) return new UnexpectedMessage(source, tag, charge);
    message.source = source;
    message.tag = tag;
    message.charge = charge;
    return message;
  }

  /** One that is kept no more: not in a bin, without a body, offer or arrival, and known to nobody. */
  giveBack(message: UnexpectedMessage): void {
    message.links = null;
    if (this.#idle.length < SPARE_MESSAGES_MAX) this.#idle.push(message);
  }
}

/** How peers call a context in what they send. */
export interface ContextNames {
  /** -1: the peer has not opened it. */
  nameOf(peer: Peer): number;
  /** Whether a rank of the world can send in it. */
  includes(world: number): boolean;
}

/** What peers say of the collective calls of a communicator. */
export interface CallListener {
  /** A message of a call has come that no receive waits for. */
  onUnexpected(peer: number, tag: number): void;
  onAsked(question: CallQuestion): void;
  /** @param question that is answered; 0: none */
  onTold(peer: number, number: number, reason: number, text: string, question: number): void;
}

/** A rank asks what became of a call. */
export interface CallQuestion {
  /** Who asks, in the world, and by what number it calls the context. */
  readonly peer: number;
  readonly context: number;
  readonly number: number;
  /** Counted by the rank that asks; never 0. */
  readonly question: number;
  readonly tag: number;
  /** What it calls, and where. */
  readonly text: string;
}

/** Messages that are not in bins yet; see {@link MessageRow}. */
export interface Unsorted {
  /** Puts them into their bins. */
  sort(): void;
}

export class Context {
  readonly posted: PostedReceives;
  /** Unexpected messages that are in bins; its count has one more while there is a row. */
  readonly sorted = new UnexpectedMessages<UnexpectedMessage>();
  /** The row that holds the latest unexpected messages; null: all are in bins. */
  row: Unsorted | null = null;
  readonly names: ContextNames;
  /** PROGRAM or LIBRARY. */
  readonly flow: number;

  /** Receives that are not among the posted ones: held back ({@link PrematchedReceives}), or promised a message. */
  apart = 0;
  /** The communicator's collective calls; null before this rank has the communicator. */
  calls: CallListener | null = null;
  /** What was asked before. */
  readonly questions: CallQuestion[] = [];
  /** No further receive will be posted: a message that meets none is dropped. */
  closed = false;

  constructor(clock: PostingClock, flow: number, names: ContextNames) {
    this.posted = new PostedReceives(clock);
    this.flow = flow;
    this.names = names;
  }

  /** All unexpected messages. */
  get unexpected(): UnexpectedMessages<UnexpectedMessage> {
    if (this.row !== null) this.row.sort();
    return this.sorted;
  }

  /** Nothing is kept or waited for: the next packet is the one that matching would give. */
  get quiet(): boolean {
    return this.posted.count === 0 && this.sorted.count === 0 && this.apart === 0;
  }

  /** Receives wait in it. */
  get awaited(): boolean {
    return this.posted.count > 0 || this.apart > 0;
  }
}
