/** A large message on its way, seen from either end. */
import { newExposure } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import type { Request } from '../../mpi/point-to-point/request.ts';
import type { Peer, Stream } from '../peer.ts';
import { DATA } from '../wire.ts';
import type { Way } from './cost-model.ts';
import type { ExposedSegments, Moves } from './segments.ts';

/** A send whose bytes go piece by piece, are fetched, or are written by us to where they belong. */
export class OutgoingTransfer implements Stream {
  readonly id: number;
  readonly request: Request;
  readonly peer: Peer;
  /** How the RTS said that the message can be reached: its first `exposedBytes` bytes. */
  readonly exposure = newExposure();
  exposedBytes = 0;
  /** The exposure holds registered memory. */
  costly = false;
  /** What the receiver asked for; 'get' until it asks, since it may just fetch the message. */
  way: Way = 'get';
  /** Bytes sent so far. */
  position = 0;
  /** The receiver's transfer id, from its CTS. */
  receiver = 0;
  /** While the receiver fetches segments. */
  exposed: ExposedSegments | null = null;
  /** While we write segments. */
  moves: Moves | null = null;
  /** We write no more, but the receiver may not know yet: it still has to ask for the rest. */
  gaveUp = false;
  #kind = DATA;
  readonly #finish: (transfer: OutgoingTransfer) => void;

  constructor(
    id: number,
    request: Request,
    peer: Peer,
    finish: (transfer: OutgoingTransfer) => void,
  ) {
    this.id = id;
    this.request = request;
    this.peer = peer;
    this.#finish = finish;
  }

  /** Whether the program took the buffer away (transferred or shrank it) in mid-transfer. */
  get bufferLost(): boolean {
    return this.request.bytes.length !== this.request.length;
  }

  /** Whether the rest is sent in packets: the receiver waits for these and nothing else. */
  get streaming(): boolean {
    return this.way === 'copy';
  }

  /** The rest goes in packets of this kind, with this id for their tag. */
  begin(kind: number, id: number): void {
    this.way = 'copy';
    this.#kind = kind;
    this.receiver = id;
  }

  /** Sends pieces while there is room; true: all sent, or given up. */
  stream(): boolean {
    const { bytes, length } = this.request;
    const { channel } = this.peer;
    // What says where the pieces begin must not be overtaken.
    if (this.peer.holdsControls) return false;
    while (this.position < length) {
      if (this.bufferLost) break;
      const piece = Math.min(channel.maxBody, length - this.position);
      if (!channel.trySend(this.#kind, 0, this.receiver, bytes, this.position, piece)) return false;
      this.position += piece;
    }
    this.#finish(this);
    return true;
  }

  /** Gives back what is exposed of the message. */
  conceal(): void {
    this.peer.channel.conceal(this.exposure);
    this.exposed?.close();
  }
}

/** A receive that was matched with an RTS. */
export class IncomingTransfer {
  readonly id: number;
  readonly request: Request;
  readonly peer: Peer;
  /** The message's envelope. */
  readonly tag: number;
  readonly length: number;
  /** The sender's transfer id. */
  readonly sender: number;
  /** Bytes received so far, where they come in packets. */
  received = 0;
  /** While we fetch segments. */
  moves: Moves | null = null;
  /** We fetch no more, but the sender may not know yet. */
  gaveUp = false;
  /** While the sender writes segments. */
  exposed: ExposedSegments | null = null;
  /** How the message comes. */
  way: Way = 'copy';
  /** For the cost model: when it began; 0 where it is not timed. */
  started = 0;
  /** Milliseconds that its sender was at work before; measured on the part that came with the offer. */
  ahead = 0;

  constructor(
    id: number,
    request: Request,
    peer: Peer,
    tag: number,
    length: number,
    sender: number,
  ) {
    this.id = id;
    this.request = request;
    this.peer = peer;
    this.tag = tag;
    this.length = length;
    this.sender = sender;
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
