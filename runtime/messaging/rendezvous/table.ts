/** Large messages on their way, seen from either end, and the tables in which their ids are looked up. */
import { newRemoteAccess, type RemoteAccess } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import type { Operation } from '../operation.ts';
import type { Peer } from '../peer.ts';
import type { RendezvousScheme } from './cost-model.ts';
import type { ExportedSegments, SegmentPipeline } from './pipeline.ts';
import type { CopyPiece, SharedCopies } from './shared-copy.ts';

/** A send that waits for its receiver's decision, or for its work. */
export class OutgoingTransfer {
  readonly id: number;
  readonly request: Operation;
  readonly peer: Peer;
  /** How the message can be reached, as the RTS said: its first `exportedBytes` bytes. */
  readonly access: RemoteAccess = newRemoteAccess();
  exportedBytes = 0;
  /** The offer holds registered memory, and is not answered yet. */
  holdsRegistration = false;
  /** What the receiver asked for; 'get' until it asks, since it may just fetch the message. */
  scheme: RendezvousScheme = 'get';
  /** Bytes sent with the RTS, or written so far. */
  position = 0;
  /** The receiver's transfer id, from its CTS. */
  receiver = 0;
  /** Set while the receiver fetches segments. */
  exported: ExportedSegments | null = null;
  /** While we write segments. */
  pipeline: SegmentPipeline | null = null;
  /** This end writes no more, but the receiver may not know that yet and still has to ask for the rest. */
  gaveUp = false;

  constructor(id: number, request: Operation, peer: Peer) {
    this.id = id;
    this.request = request;
    this.peer = peer;
  }

  /** The receiver cannot reach the message any more. */
  revoke(): void {
    this.peer.channel.revoke(this.access);
    this.exported?.close();
  }
}

/** A receive whose bytes both ends copy. */
export interface SharedReceive {
  readonly copies: SharedCopies;
  /** How the sender reaches our buffer. */
  readonly own: RemoteAccess;
  /** Fetches the bytes [at, at + bytes) of what is shared. */
  readonly pull: CopyPiece;
  /** Bytes that are shared. */
  readonly length: number;
  /** Why we could not copy our part. */
  error: MpiError | null;
}

/** A receive that was matched with an RTS. */
export class IncomingTransfer {
  readonly id: number;
  readonly request: Operation;
  readonly peer: Peer;
  /** The message's envelope. */
  readonly tag: number;
  readonly length: number;
  /** The sender's transfer id. */
  readonly sender: number;
  /** The sender's buffer cannot be taken away before the send ends. */
  readonly held: boolean;
  readonly scheme: RendezvousScheme;
  /** Bytes received so far, where they come in packets. */
  received = 0;
  /** The sender was asked to send packets. */
  copying = false;
  /** While we fetch segments. */
  pipeline: SegmentPipeline | null = null;
  /** This end fetches no more, but the sender may not know that yet. */
  gaveUp = false;
  /** Set while the sender writes segments. */
  exported: ExportedSegments | null = null;
  /** Set while both ends copy, and the sender may still work on a piece. */
  share: SharedReceive | null = null;
  /** The sender was asked whether its buffer is whole. */
  asked = false;
  /** For the cost model: when it began; 0 where it is not timed. */
  readonly started: number;
  /** Milliseconds that the sender worked before; measured on the part that came with the offer. */
  ahead = 0;

  constructor(
    id: number,
    request: Operation,
    peer: Peer,
    tag: number,
    offer: { length: number; transfer: number; held: boolean },
    scheme: RendezvousScheme,
    started: number,
  ) {
    this.id = id;
    this.request = request;
    this.peer = peer;
    this.tag = tag;
    this.length = offer.length;
    this.sender = offer.transfer;
    this.held = offer.held;
    this.scheme = scheme;
    this.started = started;
  }
}

/** Transfers under way in one direction, at most: a number of 20 bits finds them. */
export const TRANSFERS_MAX = 2 ** 20;
const GENERATIONS = 2 ** 11;

/**
 * Transfers by id: a place, and a generation that tells its occupants apart. An id comes from the other
 * side of a wire, so it is looked up and never trusted.
 */
export class TransferTable<Transfer extends { readonly id: number; readonly peer: Peer }> {
  readonly #places: (Transfer | null)[] = [];
  readonly #free: number[] = [];
  #generation = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get full(): boolean {
    return this.#size >= TRANSFERS_MAX;
  }

  /** The id for the transfer that is added next, where the table is not full; never 0. */
  takeId(): number {
    const free = this.#free;
    const place = free.length > 0 ? free[free.length - 1] : this.#places.length;
    // From 1 on: no id is 0.
    this.#generation = (this.#generation % (GENERATIONS - 1)) + 1;
    return this.#generation * TRANSFERS_MAX + place;
  }

  add(transfer: Transfer): void {
    const place = transfer.id % TRANSFERS_MAX;
    if (this.#free.length > 0) this.#free.pop();
    this.#places[place] = transfer;
    this.#size++;
  }

  remove(transfer: Transfer): void {
    const place = transfer.id % TRANSFERS_MAX;
    if (this.#places[place] !== transfer) return;
    this.#places[place] = null;
    this.#free.push(place);
    this.#size--;
  }

  /** @throws MpiError ERR_PROTOCOL where `peer` has no such transfer with us */
  find(id: number, peer: Peer): Transfer {
    const transfer = id > 0 ? this.#places[id % TRANSFERS_MAX] : undefined;
    if (!transfer || transfer.id !== id || transfer.peer !== peer)
      throw new MpiError('ERR_PROTOCOL', `a packet names the unknown transfer ${id}`);
    return transfer;
  }

  /** All that involve a peer. */
  of(peer: Peer): Transfer[] {
    return this.values().filter((transfer) => transfer.peer === peer);
  }

  values(): Transfer[] {
    return this.#places.filter((transfer) => transfer !== null);
  }
}
