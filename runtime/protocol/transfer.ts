/** A large message on its way, seen from either end. */
import type { Exposure } from '../../transports/transport.ts';
import { newExposure } from '../../transports/transport.ts';
import { MpiError } from '../error.ts';
import type { Request } from '../request.ts';
import type { Way } from './cost-model.ts';
import type { Peer } from './peer.ts';
import { PIECE_BYTES } from './streamed.ts';
import { DATA } from './wire.ts';

/** A send whose bytes go piece by piece, or are fetched. */
export class OutgoingTransfer {
  readonly id: number;
  readonly request: Request;
  readonly peer: Peer;
  readonly exposure: Exposure = newExposure();
  /** Bytes sent so far. */
  position = 0;
  /** The receiver's transfer id, from its CTS. */
  receiver = 0;
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

  /** The rest goes in packets of this kind, with this id for their tag. */
  begin(kind: number, id: number): void {
    this.#kind = kind;
    this.receiver = id;
  }

  /** Sends pieces while there is room; true: all sent, or given up. */
  stream(): boolean {
    const { bytes, length } = this.request;
    const channel = this.peer.channel;
    while (this.position < length) {
      if (this.bufferLost) break;
      const piece = Math.min(PIECE_BYTES, length - this.position);
      if (!channel.trySend(this.#kind, 0, this.receiver, bytes, this.position, piece)) return false;
      this.position += piece;
    }
    this.#finish(this);
    return true;
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
  /** Bytes received so far. */
  received = 0;
  /** For the cost model: the way taken, and when it began. */
  way: Way | null = null;
  started = 0;

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

/** Transfers by id. An id comes from the other side of a wire, so it is looked up and never trusted. */
export class TransferTable<Transfer extends { readonly id: number; readonly peer: Peer }> {
  readonly #byId = new Map<number, Transfer>();
  #next = 1;

  get size(): number {
    return this.#byId.size;
  }

  takeId(): number {
    do this.#next = (this.#next % 0x7fff_ffff) + 1;
    while (this.#byId.has(this.#next));
    return this.#next;
  }

  add(transfer: Transfer): void {
    this.#byId.set(transfer.id, transfer);
  }

  remove(transfer: Transfer): void {
    this.#byId.delete(transfer.id);
  }

  /** @throws MpiError ERR_PROTOCOL where `peer` has no such transfer with us */
  find(id: number, peer: Peer): Transfer {
    const transfer = this.#byId.get(id);
    if (transfer === undefined || transfer.peer !== peer)
      throw new MpiError('ERR_PROTOCOL', `a packet names the unknown transfer ${id}`);
    return transfer;
  }

  /** All that involve a peer. */
  of(peer: Peer): Transfer[] {
    return [...this.#byId.values()].filter((transfer) => transfer.peer === peer);
  }

  values(): Iterable<Transfer> {
    return this.#byId.values();
  }
}
