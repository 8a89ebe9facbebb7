/** The sender's half of a rendezvous: offers, and what the receivers ask for. */
import type { Exposure, Packet } from '../../../transports/transport.ts';
import { EXPOSED_NOT, EXPOSED_SHARED, EXTENSION_WORDS } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import type { Request } from '../../mpi/point-to-point/request.ts';
import type { Engine } from '../engine.ts';
import { ENVELOPE_BYTES, ENVELOPE_BYTES_MAX, type Peer, UNEXPECTED_BYTES_MAX } from '../peer.ts';
import {
  CANCEL,
  COPY,
  CTS_HOW_MASK,
  CTS_SCHEME_SHIFT,
  CTS_WORD,
  DATA,
  GET,
  longOf,
  PUT,
  PUT_FIN,
  PUT_FIN_WORD,
  putLong,
  RTS,
  RTS_WORD,
  SEGMENT,
  SHARE,
  WRITTEN,
} from '../wire.ts';
import { sizeClass, type Way } from './cost-model.ts';
import { ExposedSegments, Moves, segmentOf } from './segments.ts';
import { copyClaimed } from './shared-copy.ts';
import { OutgoingTransfer, TransferTable } from './transfer.ts';

/** Offers that expose memory and are not answered yet: each holds a registration meanwhile. */
export const EXPOSED_OFFERS_MAX = 64;

function atOnce(): never {
  throw new Error('a copy that both ends work on ended later');
}

export class RendezvousSender {
  readonly transfers = new TransferTable<OutgoingTransfer>();
  readonly #engine: Engine;
  readonly #count: (peer: Peer, way: Way) => void;
  readonly #words = new Int32Array(EXTENSION_WORDS);
  readonly #finish = (ended: OutgoingTransfer) => this.#streamed(ended);
  /** Offers that hold registered memory. */
  #exposedOffers = 0;

  constructor(engine: Engine, count: (peer: Peer, way: Way) => void) {
    this.#engine = engine;
    this.#count = count;
  }

  /** Sends an RTS; false: no room or no credit now. */
  offer(peer: Peer, request: Request): boolean {
    if (this.transfers.full) return false;
    if (!peer.hasCredit(ENVELOPE_BYTES, UNEXPECTED_BYTES_MAX + ENVELOPE_BYTES_MAX)) return false;
    const { channel } = peer;
    const { bytes, length } = request;
    const transfer = new OutgoingTransfer(this.transfers.takeId(), request, peer, this.#finish);
    this.#expose(transfer);
    const first = this.#firstPiece(transfer);
    const words = this.#wordsOf(transfer);
    if (!channel.trySendExtended(RTS, request.context, request.tag, words, bytes, 0, first)) {
      this.#conceal(transfer);
      return false;
    }
    peer.charge(ENVELOPE_BYTES + first);
    transfer.position = first;
    if (first < length) this.transfers.add(transfer);
    // All of it is on its way: nobody will ask for more.
    else {
      this.#conceal(transfer);
      this.#engine.complete(request, peer.rank, request.tag, length);
    }
    return true;
  }

  /** Exposes what the receiver will probably fetch, before it asks. */
  #expose(transfer: OutgoingTransfer): void {
    const { peer, request, exposure } = transfer;
    const { channel } = peer;
    const { length } = request;
    const free = channel.segmentBytes === Number.POSITIVE_INFINITY;
    // Of what would have gone unasked, had there been credit, fetching costs more than it saves.
    if (peer.goesUnasked(request.bytes, length) && peer.rank !== this.#engine.rank) return;
    // Registering is worth it only for a receiver that will read. An offer that has waited for room
    // before may wait again, each time with another registration.
    if (!free && (!peer.clear || !peer.fetches.has(sizeClass(length)))) return;
    if (!free && this.#exposedOffers >= EXPOSED_OFFERS_MAX) return;
    const bytes = Math.min(length, channel.segmentBytes);
    if (!channel.expose(request.bytes, 0, bytes, 'pull', exposure)) return;
    transfer.exposedBytes = bytes;
    transfer.costly = !free;
    if (transfer.costly) this.#exposedOffers++;
  }

  /** Ends all that is exposed of a message. */
  #conceal(transfer: OutgoingTransfer): void {
    transfer.conceal();
    this.#answered(transfer);
  }

  #answered(transfer: OutgoingTransfer): void {
    if (transfer.costly) this.#exposedOffers--;
    transfer.costly = false;
  }

  #firstPiece({ peer, request, exposure }: OutgoingTransfer): number {
    const { length } = request;
    if (exposure.scheme === EXPOSED_SHARED) return 0;
    if (exposure.scheme !== EXPOSED_NOT && peer.fetches.has(sizeClass(length))) return 0;
    const bytes = Math.min(length, peer.pieceBytes);
    return peer.hasCredit(bytes + ENVELOPE_BYTES, UNEXPECTED_BYTES_MAX) ? bytes : 0;
  }

  #wordsOf({ id, request, exposure, exposedBytes }: OutgoingTransfer): Int32Array {
    const words = this.#words;
    putLong(words, RTS_WORD.lengthLow, RTS_WORD.lengthHigh, request.length);
    words[RTS_WORD.transfer] = id;
    words[RTS_WORD.scheme] = exposure.scheme;
    words[RTS_WORD.exposureLow] = exposure.low;
    words[RTS_WORD.exposureHigh] = exposure.high;
    words[RTS_WORD.key] = exposure.key;
    words[RTS_WORD.exposedBytes] = exposedBytes === request.length ? 0 : exposedBytes;
    return words;
  }

  onCts(peer: Peer, words: Int32Array): void {
    const how = words[CTS_WORD.how] & CTS_HOW_MASK;
    const transfer = this.transfers.find(words[CTS_WORD.transfer], peer);
    const id = words[CTS_WORD.receiver];
    // One that fetched, or had us write, may have to ask for the rest.
    const again = how === COPY && (transfer.exposed !== null || transfer.gaveUp);
    if (transfer.receiver !== 0 && !again)
      throw new MpiError('ERR_PROTOCOL', `a peer asked twice for a message, now by way ${how}`);
    this.#answered(transfer);
    if (how === SHARE) this.#helpCopy(transfer, words);
    else if (how === COPY) this.#copyFrom(transfer, id, words);
    else if (how === GET) this.#exposeFor(transfer, id);
    else if (how === PUT) this.#put(transfer, id, words);
    else throw new MpiError('ERR_PROTOCOL', `a peer asked for a message by the unknown way ${how}`);
  }

  #copyFrom(transfer: OutgoingTransfer, id: number, words: Int32Array): void {
    const position = longOf(words, CTS_WORD.exposureLow, CTS_WORD.exposureHigh);
    const { length } = transfer.request;
    if (!(position >= transfer.position && position < length))
      throw new MpiError('ERR_PROTOCOL', `a peer asked for ${length} bytes from ${position} on`);
    transfer.conceal();
    transfer.exposed = null;
    transfer.gaveUp = false;
    this.#stream(transfer, id, position);
  }

  /** The rest goes in packets. */
  #stream(transfer: OutgoingTransfer, id: number, position: number): void {
    const { peer } = transfer;
    transfer.begin(DATA, id);
    transfer.position = position;
    if (transfer.stream()) return;
    peer.streams.push(transfer);
    this.#engine.markBusy(peer);
  }

  /** The receiver fetches, and wants the segments that the offer did not expose. */
  #exposeFor(transfer: OutgoingTransfer, id: number): void {
    const { peer, request, exposure, exposedBytes } = transfer;
    if (exposure.scheme !== EXPOSED_NOT && exposedBytes >= request.length)
      throw new MpiError('ERR_PROTOCOL', 'a peer asked for more than a whole message');
    transfer.receiver = id;
    const exposed = new ExposedSegments(peer, request, request.length, 'pull', SEGMENT, id);
    if (exposure.scheme !== EXPOSED_NOT) exposed.adopt({ ...exposure }, exposedBytes);
    else exposed.skipTo(transfer.position);
    // From here on the segments' list holds it.
    exposure.scheme = EXPOSED_NOT;
    exposure.hold = null;
    transfer.exposed = exposed;
    if (exposed.proceed()) this.#engine.markBusy(peer);
  }

  /** The receiver is done with the oldest segment. */
  onFetched(peer: Peer, id: number): void {
    const { exposed } = this.transfers.find(id, peer);
    if (exposed === null)
      throw new MpiError('ERR_PROTOCOL', 'a peer fetched from a message without segments');
    exposed.taken();
    if (exposed.proceed()) this.#engine.markBusy(peer);
  }

  #put(transfer: OutgoingTransfer, id: number, words: Int32Array): void {
    const { peer, request } = transfer;
    transfer.conceal();
    transfer.receiver = id;
    transfer.way = 'put';
    const { position } = transfer;
    const moves = new Moves(peer.channel, 'push', request, position, request.length, {
      moved: () => this.#engine.sendControl(peer, WRITTEN, id),
      ended: (end, error) => this.#putEnded(transfer, end, error),
    });
    transfer.moves = moves;
    moves.add({
      start: words[CTS_WORD.segmentStart],
      bytes: words[CTS_WORD.segmentBytes] || request.length,
      exposure: exposureOf(words),
    });
  }

  onTarget(peer: Peer, packet: Packet): void {
    const { moves, gaveUp } = this.transfers.find(packet.tag, peer);
    // Sent before the receiver knew.
    if (gaveUp) return;
    if (moves === null)
      throw new MpiError('ERR_PROTOCOL', 'a peer exposes memory for a message not to be written');
    moves.add(segmentOf(packet.extension));
  }

  #putEnded(transfer: OutgoingTransfer, position: number, error: MpiError | null): void {
    const { peer, request, receiver } = transfer;
    const words = new Int32Array(EXTENSION_WORDS);
    putLong(words, PUT_FIN_WORD.low, PUT_FIN_WORD.high, position);
    transfer.moves = null;
    this.#engine.sendControl(peer, PUT_FIN, receiver, words);
    if (error !== null) {
      this.#engine.sendControl(peer, CANCEL, receiver);
      this.transfers.remove(transfer);
      this.#engine.fail(request, error);
    } else if (position === request.length) this.#end(transfer);
    else {
      transfer.gaveUp = true;
      transfer.position = position;
    }
  }

  #helpCopy(transfer: OutgoingTransfer, words: Int32Array): void {
    const { peer, exposure, request, position } = transfer;
    const claims = peer.channel.outboundClaims;
    if (claims === null || exposure.scheme === EXPOSED_NOT)
      throw new MpiError(
        'ERR_PROTOCOL',
        'a peer asked to share a copy of memory that is not exposed',
      );
    const to = exposureOf(words);
    transfer.way = 'share';
    const copy = (at: number, count: number) =>
      peer.channel.push(to, position + at, request.bytes, position + at, count, atOnce);
    try {
      copyClaimed(claims, words[CTS_WORD.generation], request.length - position, copy);
    } catch {
      // The claim is marked as broken: the receiver fetches everything itself.
    }
  }

  /** The receiver has all, or wants no more. */
  onFin(peer: Peer, id: number): void {
    const transfer = this.transfers.find(id, peer);
    if (transfer.streaming || transfer.moves !== null || transfer.gaveUp)
      throw new MpiError('ERR_PROTOCOL', 'a peer ended a message that it had asked for');
    this.#end(transfer);
  }

  /** Everything was sent, or the buffer was lost. */
  #streamed(transfer: OutgoingTransfer): void {
    if (transfer.position < transfer.request.length)
      this.#engine.sendControl(transfer.peer, CANCEL, transfer.receiver);
    this.#end(transfer);
  }

  #end(transfer: OutgoingTransfer): void {
    const { request, peer, way } = transfer;
    this.transfers.remove(transfer);
    const size = sizeClass(request.length);
    if (way === 'get' || way === 'share') peer.fetches.add(size);
    else peer.fetches.delete(size);
    this.#conceal(transfer);
    const error = this.#engine.refusal(request, peer.rank, request.tag, 0);
    if (error !== null) this.#engine.fail(request, error);
    else {
      this.#count(peer, way);
      this.#engine.complete(request, peer.rank, request.tag, request.length);
    }
  }

  /** Ends all sends to a peer that is lost; none ends while its buffer is being read. */
  abandon(peer: Peer, error: MpiError): void {
    for (const transfer of this.transfers.of(peer)) {
      const { moves, request } = transfer;
      this.transfers.remove(transfer);
      this.#conceal(transfer);
      if (moves === null) this.#engine.fail(request, error);
      else moves.abandon(() => this.#engine.fail(request, error));
    }
  }
}

function exposureOf(words: Int32Array): Exposure {
  return {
    scheme: words[CTS_WORD.how] >>> CTS_SCHEME_SHIFT,
    low: words[CTS_WORD.exposureLow],
    high: words[CTS_WORD.exposureHigh],
    key: words[CTS_WORD.key],
    hold: null,
  };
}
