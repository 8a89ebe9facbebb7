/**
 * Large messages: an RTS takes the message's place in the order of matching; when it is matched, the
 * receiver decides how the bytes come (docs/design/protocol.md):
 *
 * - *get*: the receiver fetches them from the sender's memory and says FIN;
 * - *share*: each end reaches the other's buffer, and both copy, piece by piece;
 * - *copy*: the sender streams them through the channel.
 */
import type { Done, Exposure, Packet } from '../../transports/transport.ts';
import {
  EXPOSED_ADDRESS,
  EXPOSED_NOT,
  EXPOSED_SHARED,
  EXTENSION_WORDS,
  newExposure,
} from '../../transports/transport.ts';
import { MpiError } from '../error.ts';
import type { Request } from '../request.ts';
import { CostModel, type Preference, sizeClass } from './cost-model.ts';
import type { Engine } from './engine.ts';
import { ENVELOPE_BYTES, ENVELOPE_BYTES_MAX, type Peer, UNEXPECTED_BYTES_MAX } from './peer.ts';
import {
  claimsBroken,
  claimsDone,
  closeClaims,
  copyClaimed,
  openClaims,
  piecesDone,
  SHARED_COPY_MIN,
} from './shared-copy.ts';
import { PIECE_BYTES } from './streamed.ts';
import { IncomingTransfer, OutgoingTransfer, TransferTable } from './transfer.ts';
import {
  CANCEL,
  COPY,
  CTS,
  CTS_HOW_MASK,
  CTS_SCHEME_SHIFT,
  CTS_WORD,
  DATA,
  FIN,
  RTS,
  RTS_WORD,
  SHARE,
} from './wire.ts';

const TWO_32 = 2 ** 32;
/** Copies that both ends share are done when they return. */
const AT_ONCE: Done = () => {};
/** Shorter messages are never fetched from another process's memory: the system call costs too much. */
export const GET_MIN = 16 * 1024;

/** What an RTS says; kept with an unexpected message. */
export interface Offer {
  length: number;
  transfer: number;
  exposure: Exposure;
  /** Bytes that came with the RTS. */
  firstPiece: number;
}

export function offerOf(packet: Packet): Offer {
  const words = packet.extension;
  const length = (words[RTS_WORD.lengthLow] >>> 0) + words[RTS_WORD.lengthHigh] * TWO_32;
  const scheme = words[RTS_WORD.scheme];
  const known = scheme >= EXPOSED_NOT && scheme <= EXPOSED_ADDRESS;
  if (!Number.isSafeInteger(length) || length < packet.length || !known)
    throw new MpiError('ERR_PROTOCOL', `a message claims ${length} bytes by way ${scheme}`);
  return {
    length,
    transfer: words[RTS_WORD.transfer],
    exposure: {
      scheme,
      low: words[RTS_WORD.exposureLow],
      high: words[RTS_WORD.exposureHigh],
      key: 0,
      hold: null,
    },
    firstPiece: packet.length,
  };
}

export class Rendezvous {
  readonly #engine: Engine;
  readonly #costs: CostModel;
  readonly #outgoing = new TransferTable<OutgoingTransfer>();
  readonly #incoming = new TransferTable<IncomingTransfer>();
  readonly #words = new Int32Array(EXTENSION_WORDS);
  readonly #own: Exposure = newExposure();
  #generation = 0;
  /** Size classes of which the receiver fetched the last message: a piece sent along would only wait. */
  readonly #fetched = new Set<number>();

  constructor(engine: Engine, preference: Preference) {
    this.#engine = engine;
    this.#costs = new CostModel(preference);
  }

  /** Sends whose receiver has not taken everything yet. */
  get outgoing(): number {
    return this.#outgoing.size;
  }

  /** Those who have not taken everything yet. */
  receivers(): Peer[] {
    return Array.from(this.#outgoing.values(), (transfer) => transfer.peer);
  }

  /** Sends an RTS; false: no room or no credit now. */
  offer(peer: Peer, request: Request): boolean {
    if (!peer.hasCredit(ENVELOPE_BYTES, UNEXPECTED_BYTES_MAX + ENVELOPE_BYTES_MAX)) return false;
    const { channel } = peer;
    const { bytes, length } = request;
    const transfer = new OutgoingTransfer(this.#outgoing.takeId(), request, peer, (ended) =>
      this.#streamed(ended),
    );
    const { exposure } = transfer;
    if (length >= GET_MIN || channel.peer === this.#engine.rank)
      channel.expose(bytes, 0, length, 'pull', exposure);
    const first = this.#firstPiece(peer, length, exposure);
    const words = this.#words;
    words[RTS_WORD.lengthLow] = (length % TWO_32) | 0;
    words[RTS_WORD.lengthHigh] = Math.floor(length / TWO_32);
    words[RTS_WORD.transfer] = transfer.id;
    words[RTS_WORD.scheme] = exposure.scheme;
    words[RTS_WORD.exposureLow] = exposure.low;
    words[RTS_WORD.exposureHigh] = exposure.high;
    if (!channel.trySendExtended(RTS, request.context, request.tag, words, bytes, 0, first)) {
      channel.conceal(exposure);
      return false;
    }
    peer.charge(ENVELOPE_BYTES + first);
    transfer.position = first;
    if (first < length) this.#outgoing.add(transfer);
    // All of it is on its way: nobody will ask for more.
    else this.#engine.complete(request, peer.rank, request.tag, length);
    return true;
  }

  #firstPiece(peer: Peer, length: number, exposure: Exposure): number {
    if (exposure.scheme === EXPOSED_SHARED) return 0;
    if (exposure.scheme === EXPOSED_ADDRESS && this.#fetched.has(sizeClass(length))) return 0;
    const bytes = Math.min(length, PIECE_BYTES);
    return peer.hasCredit(bytes + ENVELOPE_BYTES, UNEXPECTED_BYTES_MAX) ? bytes : 0;
  }

  /**
   * The message of an offer belongs to `request`: fetch it, or ask for it.
   * @param copyFirst copies the offer's first piece into the request's buffer
   */
  accept(
    request: Request,
    peer: Peer,
    tag: number,
    offer: Offer,
    copyFirst: (to: Uint8Array) => void,
  ): void {
    // Of a peer that is lost since only what came along with the offer can be had.
    if (peer.error !== null && offer.firstPiece < offer.length) {
      this.#engine.fail(request, peer.error);
      return;
    }
    const error = this.#engine.refusal(request, peer.rank, tag, offer.length);
    if (error !== null) {
      this.#refuse(peer, offer);
      this.#engine.fail(request, error);
      return;
    }
    const id = this.#incoming.takeId();
    const transfer = new IncomingTransfer(id, request, peer, tag, offer.length, offer.transfer);
    this.#incoming.add(transfer);
    try {
      const { scheme } = offer.exposure;
      if (scheme === EXPOSED_SHARED) this.#fetch(transfer, offer, copyFirst);
      else if (scheme === EXPOSED_ADDRESS) this.#acceptMeasured(transfer, offer, copyFirst);
      else this.#askForCopy(transfer, offer, copyFirst);
    } catch (cause) {
      // This message is lost; whether its sender is as well shows in what comes next.
      this.#incoming.remove(transfer);
      this.#refuse(peer, offer);
      this.#engine.fail(request, cause as MpiError);
    }
  }

  /** We want no more of a message; of one that came whole the sender knows nothing any more. */
  #refuse(peer: Peer, offer: Offer): void {
    if (offer.firstPiece < offer.length) this.#engine.sendControl(peer, FIN, offer.transfer);
  }

  #acceptMeasured(
    transfer: IncomingTransfer,
    offer: Offer,
    copyFirst: (to: Uint8Array) => void,
  ): void {
    transfer.way = this.#costs.choose(offer.length);
    transfer.started = performance.now();
    if (transfer.way === 'copy') this.#askForCopy(transfer, offer, copyFirst);
    else this.#fetch(transfer, offer, copyFirst);
  }

  #askForCopy(transfer: IncomingTransfer, offer: Offer, copyFirst: (to: Uint8Array) => void): void {
    // Asked before the first piece is copied: the sender goes on meanwhile.
    if (offer.firstPiece < offer.length) this.#sendCts(transfer, COPY, 0);
    if (offer.firstPiece > 0) copyFirst(transfer.request.bytes);
    this.#received(transfer, offer.firstPiece);
    if (offer.length === 0) this.#complete(transfer);
  }

  #fetch(transfer: IncomingTransfer, offer: Offer, copyFirst: (to: Uint8Array) => void): void {
    const { request, peer } = transfer;
    const { channel } = peer;
    const { length, firstPiece: first, exposure } = offer;
    if (this.#mayShare(transfer, offer)) {
      this.#shareCopy(transfer, offer, copyFirst);
    } else {
      if (first > 0) copyFirst(request.bytes);
      if (length > first)
        channel.pull(exposure, first, request.bytes, first, length - first, AT_ONCE);
    }
    this.#engine.sendControl(peer, FIN, transfer.sender);
    this.#complete(transfer);
  }

  #mayShare(transfer: IncomingTransfer, offer: Offer): boolean {
    const { channel } = transfer.peer;
    if (offer.length - offer.firstPiece < SHARED_COPY_MIN / 2) return false;
    if (channel.inboundClaims === null || transfer.way === 'get') return false;
    return channel.expose(transfer.request.bytes, 0, offer.length, 'push', this.#own);
  }

  /** Both ends copy. The sender's help is welcome, not needed: what it does not claim we copy. */
  #shareCopy(transfer: IncomingTransfer, offer: Offer, copyFirst: (to: Uint8Array) => void): void {
    const { request, peer } = transfer;
    const { channel } = peer;
    const { firstPiece: first, exposure } = offer;
    const rest = offer.length - first;
    const claims = channel.inboundClaims as Int32Array;
    this.#generation = (this.#generation % 0x7fff) + 1;
    openClaims(claims, this.#generation);
    this.#sendCts(transfer, SHARE, this.#generation);
    if (first > 0) copyFirst(request.bytes);
    const pull = (at: number, bytes: number) =>
      channel.pull(exposure, first + at, request.bytes, first + at, bytes, AT_ONCE);
    try {
      copyClaimed(claims, this.#generation, rest, pull);
    } catch (error) {
      // Our piece failed; the sender may still write its own, and the buffer goes back only after it.
      const claimed = closeClaims(claims);
      while (piecesDone(claims) < claimed) this.#engine.losses.checkAlive(peer);
      throw error;
    }
    // The sender may be within its last piece.
    while (!claimsDone(claims, rest)) this.#engine.losses.checkAlive(peer);
    if (claimsBroken(claims, this.#generation)) pull(0, rest);
    channel.conceal(this.#own);
  }

  #sendCts(transfer: IncomingTransfer, how: number, generation: number): void {
    const words = new Int32Array(EXTENSION_WORDS);
    words[CTS_WORD.transfer] = transfer.sender;
    words[CTS_WORD.receiver] = transfer.id;
    words[CTS_WORD.how] = how | (this.#own.scheme << CTS_SCHEME_SHIFT);
    words[CTS_WORD.exposureLow] = this.#own.low;
    words[CTS_WORD.exposureHigh] = this.#own.high;
    words[CTS_WORD.generation] = generation;
    this.#engine.sendControl(transfer.peer, CTS, 0, words);
  }

  onCts(peer: Peer, packet: Packet): void {
    const words = packet.extension;
    const how = words[CTS_WORD.how] & CTS_HOW_MASK;
    if (how === SHARE) {
      this.#helpCopy(peer, words);
      return;
    }
    const transfer = this.#outgoing.find(words[CTS_WORD.transfer], peer);
    if (how !== COPY || transfer.receiver !== 0)
      throw new MpiError('ERR_PROTOCOL', `a peer asked twice, or for the unknown way ${how}`);
    transfer.begin(DATA, words[CTS_WORD.receiver]);
    if (!transfer.stream()) {
      peer.streams.push(transfer);
      this.#engine.markBusy(peer);
    }
  }

  #helpCopy(peer: Peer, words: Int32Array): void {
    const transfer = this.#outgoing.find(words[CTS_WORD.transfer], peer);
    const claims = peer.channel.outboundClaims;
    if (claims === null || transfer.exposure.scheme === EXPOSED_NOT)
      throw new MpiError(
        'ERR_PROTOCOL',
        'a peer asked to share a copy of memory that is not exposed',
      );
    const { bytes, length } = transfer.request;
    const first = transfer.position;
    const to: Exposure = {
      scheme: words[CTS_WORD.how] >>> CTS_SCHEME_SHIFT,
      low: words[CTS_WORD.exposureLow],
      high: words[CTS_WORD.exposureHigh],
      key: 0,
      hold: null,
    };
    try {
      copyClaimed(claims, words[CTS_WORD.generation], length - first, (at, count) =>
        peer.channel.push(to, first + at, bytes, first + at, count, AT_ONCE),
      );
    } catch {
      // The claim is marked as broken: the receiver fetches everything itself.
    }
  }

  onData(peer: Peer, packet: Packet): void {
    const transfer = this.#incoming.find(packet.tag, peer);
    const { request, received, length } = transfer;
    if (packet.length === 0 || received + packet.length > length)
      throw new MpiError(
        'ERR_PROTOCOL',
        `a piece of ${packet.length} bytes goes beyond its message`,
      );
    if (request.bytes.length === request.length) packet.copyTo(request.bytes, received);
    this.#received(transfer, packet.length);
  }

  #received(transfer: IncomingTransfer, bytes: number): void {
    transfer.received += bytes;
    if (bytes > 0 && transfer.received === transfer.length) this.#complete(transfer);
  }

  #complete(transfer: IncomingTransfer): void {
    const { request, peer, tag, length, way } = transfer;
    this.#incoming.remove(transfer);
    if (way !== null) this.#costs.record(way, length, (performance.now() - transfer.started) * 1e6);
    const error = this.#engine.refusal(request, peer.rank, tag, length);
    if (error !== null) this.#engine.fail(request, error);
    else this.#engine.complete(request, peer.rank, tag, length);
  }

  onFin(peer: Peer, packet: Packet): void {
    this.#end(this.#outgoing.find(packet.tag, peer));
  }

  onCancel(peer: Peer, packet: Packet): void {
    const transfer = this.#incoming.find(packet.tag, peer);
    this.#incoming.remove(transfer);
    const message = `rank ${peer.rank} took its buffer away while a message of ${transfer.length} bytes was on its way`;
    this.#engine.fail(
      transfer.request,
      new MpiError('ERR_BUFFER', message, { peer: peer.rank, tag: transfer.tag }),
    );
  }

  /** Everything was sent, or the buffer was lost. */
  #streamed(transfer: OutgoingTransfer): void {
    if (transfer.position < transfer.request.length)
      this.#engine.sendControl(transfer.peer, CANCEL, transfer.receiver);
    this.#end(transfer);
  }

  #end(transfer: OutgoingTransfer): void {
    const { request, peer, exposure } = transfer;
    this.#outgoing.remove(transfer);
    if (transfer.receiver !== 0) this.#fetched.delete(sizeClass(request.length));
    else this.#fetched.add(sizeClass(request.length));
    if (exposure.scheme !== EXPOSED_NOT) peer.channel.conceal(exposure);
    const error = this.#engine.refusal(request, peer.rank, request.tag, 0);
    if (error !== null) this.#engine.fail(request, error);
    else this.#engine.complete(request, peer.rank, request.tag, request.length);
  }

  /** Ends all transfers with a peer that is lost. */
  abandon(peer: Peer, error: MpiError): void {
    for (const table of [this.#outgoing, this.#incoming])
      for (const transfer of table.of(peer)) {
        table.remove(transfer as never);
        this.#engine.fail(transfer.request, error);
      }
    peer.streams.length = 0;
  }
}
