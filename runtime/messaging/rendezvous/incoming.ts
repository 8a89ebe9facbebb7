/** The receiver's half of a rendezvous: it decides how a message comes, and takes it. */
import type { Channel, Exposure, OneSidedWay, Packet } from '../../../transports/transport.ts';
import {
  EXPOSED_ADDRESS,
  EXPOSED_KEY,
  EXPOSED_NOT,
  EXPOSED_SHARED,
  EXTENSION_WORDS,
  newExposure,
} from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import type { Request } from '../../mpi/point-to-point/request.ts';
import type { Engine } from '../engine.ts';
import type { Peer } from '../peer.ts';
import {
  COPY,
  CTS,
  CTS_SCHEME_SHIFT,
  CTS_WORD,
  FETCHED,
  FIN,
  GET,
  longOf,
  PUT,
  PUT_FIN_WORD,
  putLong,
  RTS_WORD,
  SHARE,
  TARGET,
} from '../wire.ts';
import { CostModel, type Preference, type RendezvousPreference, type Way } from './cost-model.ts';
import { ExposedSegments, Moves, segmentOf } from './segments.ts';
import {
  claimsBroken,
  claimsDone,
  closeClaims,
  copyClaimed,
  openClaims,
  piecesDone,
  SHARED_COPY_MIN,
} from './shared-copy.ts';
import { IncomingTransfer, TransferTable } from './transfer.ts';

/** What an RTS says; kept with an unexpected message. */
export interface Offer {
  length: number;
  transfer: number;
  exposure: Exposure;
  /** Bytes of the message that the exposure covers. */
  exposedBytes: number;
  /** Bytes that came with the RTS. */
  firstPiece: number;
}

export function offerOf(packet: Packet): Offer {
  const words = packet.extension;
  const length = longOf(words, RTS_WORD.lengthLow, RTS_WORD.lengthHigh);
  const scheme = words[RTS_WORD.scheme];
  const known = scheme >= EXPOSED_NOT && scheme <= EXPOSED_KEY;
  const exposedBytes = words[RTS_WORD.exposedBytes] || length;
  const inside = exposedBytes >= packet.length && exposedBytes <= length;
  if (!Number.isSafeInteger(length) || length < packet.length || !known || !inside)
    throw new MpiError('ERR_PROTOCOL', `a message claims ${length} bytes by way ${scheme}`);
  return {
    length,
    transfer: words[RTS_WORD.transfer],
    exposure: {
      scheme,
      low: words[RTS_WORD.exposureLow],
      high: words[RTS_WORD.exposureHigh],
      key: words[RTS_WORD.key],
      hold: null,
    },
    exposedBytes,
    firstPiece: packet.length,
  };
}

/** What messages of channels with the same ways can choose from. */
interface Choices {
  costs: CostModel;
  all: readonly Way[];
  /** Of messages that are too short for both ends to copy. */
  alone: readonly Way[];
}

const COPY_ONLY: readonly Way[] = ['copy'];

/** Exposing costs nothing there, and what is fetched is there when the call returns. */
function isFree({ segmentBytes }: Channel): boolean {
  return segmentBytes === Number.POSITIVE_INFINITY;
}

type CopyFirst = (to: Uint8Array) => void;

function atOnce(): never {
  throw new Error('a copy that both ends work on ended later');
}

export class RendezvousReceiver {
  readonly #engine: Engine;
  readonly #preference: RendezvousPreference;
  readonly #singleCopy: Preference;
  readonly #count: (peer: Peer, way: Way) => void;
  readonly #transfers = new TransferTable<IncomingTransfer>();
  /** By the ways of the channel. */
  readonly #choices = new Map<readonly OneSidedWay[], Choices>();
  /** Whether the message for which a way was chosen last is to be timed. */
  #timed = false;
  readonly #own = newExposure();
  #generation = 0;

  constructor(
    engine: Engine,
    preference: RendezvousPreference,
    singleCopy: Preference,
    count: (peer: Peer, way: Way) => void,
  ) {
    this.#engine = engine;
    this.#preference = preference;
    this.#singleCopy = singleCopy;
    this.#count = count;
  }

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
    const error = this.#refusal(request, peer, tag, offer);
    if (error !== null) {
      this.#refuse(peer, offer);
      this.#engine.fail(request, error);
      return;
    }
    const way = this.#choose(peer, offer);
    const started = this.#timed ? performance.now() : 0;
    if (way === 'get' && isFree(peer.channel)) {
      this.#fetchAtOnce(request, peer, tag, offer, copyFirst, started);
      return;
    }
    const id = this.#transfers.takeId();
    const transfer = new IncomingTransfer(id, request, peer, tag, offer.length, offer.transfer);
    transfer.way = way;
    transfer.started = started;
    this.#transfers.add(transfer);
    try {
      this.#begin(transfer, offer, copyFirst);
    } catch (cause) {
      // This message is lost; whether its sender is as well shows in what comes next.
      this.#transfers.remove(transfer);
      this.#refuse(peer, offer);
      this.#engine.fail(request, cause as MpiError);
    }
  }

  #refusal(request: Request, peer: Peer, tag: number, offer: Offer): MpiError | null {
    if (this.#transfers.full)
      return new MpiError('ERR_NO_MEM', 'too many large messages are being received', {
        peer: peer.rank,
        tag,
      });
    return this.#engine.refusal(request, peer.rank, tag, offer.length);
  }

  /** We want no more of a message; of one that came whole the sender knows nothing any more. */
  #refuse(peer: Peer, offer: Offer): void {
    if (offer.firstPiece < offer.length) this.#engine.sendControl(peer, FIN, offer.transfer);
  }

  #begin(transfer: IncomingTransfer, offer: Offer, copyFirst: CopyFirst): void {
    const { way } = transfer;
    if (way === 'copy') this.#askForCopy(transfer, offer, copyFirst);
    else if (way === 'put') this.#askForPut(transfer, offer, copyFirst);
    else if (way === 'share' && this.#mayShare(transfer, offer))
      this.#shareCopy(transfer, offer, copyFirst);
    else this.#fetch(transfer, offer, copyFirst);
  }

  /** The way that a message comes: by order, by what is known of its memory, or as measured. */
  #choose({ channel, rank }: Peer, offer: Offer): Way {
    const { scheme } = offer.exposure;
    this.#timed = false;
    if (offer.firstPiece === offer.length) return 'copy';
    if (rank === this.#engine.rank) return scheme === EXPOSED_NOT ? 'copy' : 'get';
    const ways = this.#waysOf(channel, offer);
    const forced = this.#preference;
    if (forced !== 'auto' && ways.includes(forced)) return forced;
    // Memory that both map needs no trial: it is copied directly.
    if (scheme === EXPOSED_SHARED) return 'share';
    if (scheme === EXPOSED_ADDRESS && this.#singleCopy !== 'auto')
      return this.#singleCopy === 'always' ? 'get' : 'copy';
    const { costs } = this.#choicesOf(channel);
    const way = costs.choose(offer.length, ways);
    this.#timed = costs.timed;
    return way;
  }

  #waysOf(channel: Channel, { exposure, length }: Offer): readonly Way[] {
    // What is not exposed may be so on demand, where it is worth the trouble.
    const reachable = exposure.scheme !== EXPOSED_NOT || !isFree(channel);
    if (!reachable) return COPY_ONLY;
    if (length <= channel.eagerBytes && exposure.scheme !== EXPOSED_SHARED) return COPY_ONLY;
    const choices = this.#choicesOf(channel);
    return length < SHARED_COPY_MIN ? choices.alone : choices.all;
  }

  #choicesOf({ ways }: Channel): Choices {
    let choices = this.#choices.get(ways);
    if (choices === undefined) {
      const all: Way[] = ['copy', ...ways];
      choices = { costs: new CostModel(), all, alone: all.filter((way) => way !== 'share') };
      this.#choices.set(ways, choices);
    }
    return choices;
  }

  // ---- copy

  #askForCopy(transfer: IncomingTransfer, offer: Offer, copyFirst: CopyFirst): void {
    // Asked before the first piece is copied: the sender goes on meanwhile.
    if (offer.firstPiece < offer.length) this.#sendCopyCts(transfer, offer.firstPiece);
    const began = transfer.started > 0 ? performance.now() : 0;
    if (offer.firstPiece > 0) copyFirst(transfer.request.bytes);
    // The sender wrote that piece before our clock started; reading it took about as long.
    if (began > 0) transfer.ahead = performance.now() - began;
    this.#received(transfer, offer.firstPiece);
    if (offer.length === 0) this.#complete(transfer);
  }

  #sendCopyCts(transfer: IncomingTransfer, position: number): void {
    const words = this.#ctsWords(transfer, COPY);
    putLong(words, CTS_WORD.exposureLow, CTS_WORD.exposureHigh, position);
    this.#engine.sendControl(transfer.peer, CTS, 0, words);
  }

  #ctsWords(transfer: IncomingTransfer, how: number): Int32Array {
    const words = new Int32Array(EXTENSION_WORDS);
    words[CTS_WORD.transfer] = transfer.sender;
    words[CTS_WORD.receiver] = transfer.id;
    words[CTS_WORD.how] = how;
    return words;
  }

  onData(peer: Peer, packet: Packet): void {
    const transfer = this.#transfers.find(packet.tag, peer);
    const { request, received, length } = transfer;
    const asked = transfer.moves === null && transfer.exposed === null;
    if (!asked || packet.length === 0 || received + packet.length > length)
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

  // ---- get

  /** Without anything to remember: it is done before anybody could ask for it. */
  #fetchAtOnce(
    request: Request,
    peer: Peer,
    tag: number,
    offer: Offer,
    copyFirst: CopyFirst,
    started: number,
  ): void {
    const { length, firstPiece: first, exposure } = offer;
    try {
      if (first > 0) copyFirst(request.bytes);
      peer.channel.pull(exposure, first, request.bytes, first, length - first, atOnce);
    } catch (cause) {
      // This message is lost; whether its sender is as well shows in what comes next.
      this.#refuse(peer, offer);
      this.#engine.fail(request, cause as MpiError);
      return;
    }
    this.#engine.sendControl(peer, FIN, offer.transfer);
    if (started > 0) this.#record(peer, 'get', length, performance.now() - started);
    this.#succeed(request, peer, tag, length, 'get');
  }

  #fetch(transfer: IncomingTransfer, offer: Offer, copyFirst: CopyFirst): void {
    const { request, peer } = transfer;
    const { length, firstPiece: first, exposure, exposedBytes } = offer;
    const exposed = exposure.scheme !== EXPOSED_NOT;
    // Before anything else: the sender exposes the next segment meanwhile.
    if (!exposed || exposedBytes < length)
      this.#engine.sendControl(peer, CTS, 0, this.#ctsWords(transfer, GET));
    if (first > 0) copyFirst(request.bytes);
    transfer.moves = new Moves(peer.channel, 'pull', request, first, length, {
      moved: () => this.#engine.sendControl(peer, FETCHED, transfer.sender),
      ended: (position, error) => this.#fetchEnded(transfer, position, error),
    });
    if (exposed) transfer.moves.add({ start: 0, bytes: exposedBytes, exposure });
  }

  onSegment(peer: Peer, packet: Packet): void {
    const { moves, gaveUp } = this.#transfers.find(packet.tag, peer);
    // Sent before the sender knew.
    if (gaveUp) return;
    if (moves === null)
      throw new MpiError('ERR_PROTOCOL', 'a peer exposes a message that is not fetched');
    moves.add(segmentOf(packet.extension));
  }

  #fetchEnded(transfer: IncomingTransfer, position: number, error: MpiError | null): void {
    const { peer, length, sender, request } = transfer;
    transfer.moves = null;
    if (error === null && position < length) {
      transfer.gaveUp = true;
      transfer.received = position;
      this.#sendCopyCts(transfer, position);
      return;
    }
    this.#engine.sendControl(peer, FIN, sender);
    if (error === null) this.#complete(transfer);
    else {
      this.#transfers.remove(transfer);
      this.#engine.fail(request, error);
    }
  }

  // ---- put

  #askForPut(transfer: IncomingTransfer, offer: Offer, copyFirst: CopyFirst): void {
    const { request, peer, length, sender } = transfer;
    const exposed = new ExposedSegments(peer, request, length, 'push', TARGET, sender);
    const segment = exposed.begin(offer.firstPiece);
    if (segment === null) {
      this.#askForCopy(transfer, offer, copyFirst);
      return;
    }
    transfer.exposed = exposed;
    const { start, bytes, exposure } = segment;
    const words = this.#ctsWords(transfer, PUT);
    this.#putExposure(words, exposure);
    words[CTS_WORD.segmentBytes] = bytes === length ? 0 : bytes;
    words[CTS_WORD.segmentStart] = start;
    this.#engine.sendControl(peer, CTS, 0, words);
    if (offer.firstPiece > 0) copyFirst(request.bytes);
    transfer.received = offer.firstPiece;
    if (exposed.proceed()) this.#engine.markBusy(peer);
  }

  #putExposure(words: Int32Array, { scheme, low, high, key }: Exposure): void {
    words[CTS_WORD.how] |= scheme << CTS_SCHEME_SHIFT;
    words[CTS_WORD.exposureLow] = low;
    words[CTS_WORD.exposureHigh] = high;
    words[CTS_WORD.key] = key;
  }

  /** The sender is done with the oldest segment. */
  onWritten(peer: Peer, id: number): void {
    const exposed = this.#exposedOf(id, peer).exposed as ExposedSegments;
    exposed.taken();
    if (exposed.proceed()) this.#engine.markBusy(peer);
  }

  onPutFin(peer: Peer, packet: Packet): void {
    const transfer = this.#exposedOf(packet.tag, peer);
    const exposed = transfer.exposed as ExposedSegments;
    const position = longOf(packet.extension, PUT_FIN_WORD.low, PUT_FIN_WORD.high);
    if (!(position >= transfer.received && position <= exposed.end))
      throw new MpiError('ERR_PROTOCOL', `a peer claims that it wrote up to ${position}`);
    exposed.close();
    transfer.exposed = null;
    transfer.received = position;
    // Asked for once no segment can follow any more that we told of.
    if (position < transfer.length) this.#sendCopyCts(transfer, position);
    else this.#complete(transfer);
  }

  #exposedOf(id: number, peer: Peer): IncomingTransfer {
    const transfer = this.#transfers.find(id, peer);
    if (transfer.exposed !== null) return transfer;
    throw new MpiError('ERR_PROTOCOL', 'a peer wrote a message that it was not asked to write');
  }

  // ---- share

  #mayShare(transfer: IncomingTransfer, offer: Offer): boolean {
    const { channel } = transfer.peer;
    if (offer.length - offer.firstPiece < SHARED_COPY_MIN / 2) return false;
    if (channel.inboundClaims === null) return false;
    return channel.expose(transfer.request.bytes, 0, offer.length, 'push', this.#own);
  }

  /** Both ends copy. The sender's help is welcome, not needed: what it does not claim we copy. */
  #shareCopy(transfer: IncomingTransfer, offer: Offer, copyFirst: CopyFirst): void {
    const { request, peer } = transfer;
    const { channel } = peer;
    const { firstPiece: first, exposure } = offer;
    const rest = offer.length - first;
    const claims = channel.inboundClaims as Int32Array;
    this.#generation = (this.#generation % 0x7fff) + 1;
    openClaims(claims, this.#generation);
    const words = this.#ctsWords(transfer, SHARE);
    this.#putExposure(words, this.#own);
    words[CTS_WORD.generation] = this.#generation;
    this.#engine.sendControl(peer, CTS, 0, words);
    if (first > 0) copyFirst(request.bytes);
    const pull = (at: number, bytes: number) =>
      channel.pull(exposure, first + at, request.bytes, first + at, bytes, atOnce);
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
    this.#engine.sendControl(peer, FIN, transfer.sender);
    this.#complete(transfer);
  }

  // ---- ending

  #complete(transfer: IncomingTransfer): void {
    const { request, peer, tag, length, way, started, ahead } = transfer;
    this.#transfers.remove(transfer);
    if (started > 0) this.#record(peer, way, length, performance.now() - started + ahead);
    this.#succeed(request, peer, tag, length, way);
  }

  #record(peer: Peer, way: Way, length: number, milliseconds: number): void {
    this.#choicesOf(peer.channel).costs.record(way, length, milliseconds * 1e6);
  }

  #succeed(request: Request, peer: Peer, tag: number, length: number, way: Way): void {
    const error = this.#engine.refusal(request, peer.rank, tag, length);
    if (error !== null) this.#engine.fail(request, error);
    else {
      this.#count(peer, way);
      this.#engine.complete(request, peer.rank, tag, length);
    }
  }

  /** The sender's buffer is gone. */
  onCancel(peer: Peer, id: number): void {
    const transfer = this.#transfers.find(id, peer);
    if (transfer.exposed !== null)
      throw new MpiError('ERR_PROTOCOL', 'a peer cancelled a message that it still writes');
    const message = `rank ${peer.rank} took its buffer away while a message of ${transfer.length} bytes was on its way`;
    this.#give(
      transfer,
      new MpiError('ERR_BUFFER', message, { peer: peer.rank, tag: transfer.tag }),
    );
  }

  /** Fails a receive, not before nothing touches its buffer any more. */
  #give(transfer: IncomingTransfer, error: MpiError): void {
    const { moves, request } = transfer;
    this.#transfers.remove(transfer);
    transfer.exposed?.close();
    if (moves === null) this.#engine.fail(request, error);
    else moves.abandon(() => this.#engine.fail(request, error));
  }

  /** Ends all receives from a peer that is lost. */
  abandon(peer: Peer, error: MpiError): void {
    for (const transfer of this.#transfers.of(peer)) this.#give(transfer, error);
  }
}
