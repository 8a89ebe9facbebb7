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
import { now } from '../../base/clock.ts';
import { MpiError } from '../../base/error.ts';
import type { Request } from '../../mpi/point-to-point/request.ts';
import type { Engine } from '../engine.ts';
import type { Peer } from '../peer.ts';
import {
  ASK_WORD,
  CONFIRM,
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
  RTS_HELD,
  RTS_SCHEME_MASK,
  RTS_WORD,
  SHARE,
  SHARE_ASK,
  TARGET,
} from '../wire.ts';
import { CostModel, type Preference, type RendezvousPreference, type Way } from './cost-model.ts';
import { ExposedSegments, Moves, segmentOf } from './segments.ts';
import { SHARED_COPY_MIN, SharedCopies } from './shared-copy.ts';
import { IncomingTransfer, type SharedReceive, TransferTable } from './transfer.ts';

/** What an RTS says; kept with an unexpected message. */
export interface Offer {
  length: number;
  transfer: number;
  exposure: Exposure;
  /** Bytes of the message that the exposure covers. */
  exposedBytes: number;
  /** Bytes that came with the RTS. */
  firstPiece: number;
  /** The sender's buffer cannot be taken away while it is read. */
  held: boolean;
}

export function offerOf(packet: Packet): Offer {
  const words = packet.extension;
  const length = longOf(words, RTS_WORD.lengthLow, RTS_WORD.lengthHigh);
  const scheme = words[RTS_WORD.scheme] & RTS_SCHEME_MASK;
  const known = scheme <= EXPOSED_KEY;
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
    held: (words[RTS_WORD.scheme] & RTS_HELD) !== 0,
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
  /** Copies that we share with a peer. */
  readonly #shared = new Map<Peer, SharedCopies>();

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
    const started = this.#timed ? now() : 0;
    if (way === 'get' && isFree(peer.channel)) {
      this.#fetchAtOnce(request, peer, tag, offer, copyFirst, started);
      return;
    }
    const id = this.#transfers.takeId();
    const transfer = new IncomingTransfer(id, request, peer, tag, offer.length, offer.transfer);
    transfer.way = way;
    transfer.started = started;
    transfer.held = offer.held;
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
    else if (way === 'share' && this.#share(transfer, offer, copyFirst)) return;
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
    const began = transfer.started > 0 ? now() : 0;
    if (offer.firstPiece > 0) copyFirst(transfer.request.bytes);
    // The sender wrote that piece before our clock started; reading it took about as long.
    if (began > 0) transfer.ahead = now() - began;
    this.#received(transfer, offer.firstPiece);
    if (offer.length === 0) this.#complete(transfer);
  }

  #sendCopyCts(transfer: IncomingTransfer, position: number): void {
    transfer.copying = true;
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
    const { request, received, length, copying } = transfer;
    if (!copying || packet.length === 0 || received + packet.length > length)
      throw new MpiError(
        'ERR_PROTOCOL',
        `a piece of ${packet.length} bytes goes beyond its message`,
      );
    if (request.intact) packet.copyTo(request.bytes, received);
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
    if (offer.held) {
      this.#engine.sendControl(peer, FIN, offer.transfer);
      if (started > 0) this.#record(peer, 'get', length, now() - started);
      this.#succeed(request, peer, tag, length, 'get');
      return;
    }
    const id = this.#transfers.takeId();
    const transfer = new IncomingTransfer(id, request, peer, tag, length, offer.transfer);
    transfer.way = 'get';
    transfer.started = started;
    this.#transfers.add(transfer);
    this.#fetched(transfer);
  }

  /** Everything was read from the sender's memory. */
  #fetched(transfer: IncomingTransfer): void {
    const { peer, sender } = transfer;
    if (transfer.held) {
      this.#engine.sendControl(peer, FIN, sender);
      this.#complete(transfer);
      return;
    }
    // A buffer may have become another's meanwhile: what was read of it then is not the message.
    transfer.asked = true;
    this.#ask(transfer, CONFIRM);
  }

  #ask({ peer, sender, id }: IncomingTransfer, kind: number): void {
    const words = new Int32Array(EXTENSION_WORDS);
    words[ASK_WORD.receiver] = id;
    this.#engine.sendControl(peer, kind, sender, words);
  }

  /** The sender's buffer was whole after we had read it. */
  onConfirmed(peer: Peer, id: number): void {
    const transfer = this.#transfers.find(id, peer);
    if (!transfer.asked) throw new MpiError('ERR_PROTOCOL', 'a peer confirms a message unasked');
    this.#complete(transfer);
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
    if (error === null) this.#fetched(transfer);
    else {
      this.#engine.sendControl(peer, FIN, sender);
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

  /** Whether both ends copy. The sender's help is welcome, not needed: what it does not claim we copy. */
  #share(transfer: IncomingTransfer, offer: Offer, copyFirst: CopyFirst): boolean {
    const { request, peer } = transfer;
    const { channel } = peer;
    const { firstPiece: first, exposure, length } = offer;
    const copies = this.#copiesWith(peer);
    if (copies === null || length - first < SHARED_COPY_MIN / 2) return false;
    const own = newExposure();
    if (!channel.expose(request.bytes, 0, length, 'push', own)) return false;
    const generation = copies.open(length - first);
    if (generation === 0) {
      channel.conceal(own);
      return false;
    }
    const pull = (at: number, bytes: number) => {
      channel.pull(exposure, first + at, request.bytes, first + at, bytes, atOnce);
    };
    const share: SharedReceive = { copies, own, pull, length: length - first, error: null };
    transfer.share = share;
    const words = this.#ctsWords(transfer, SHARE);
    this.#putExposure(words, own);
    words[CTS_WORD.generation] = generation;
    this.#engine.sendControl(peer, CTS, 0, words);
    if (first > 0) copyFirst(request.bytes);
    try {
      copies.copy(pull);
    } catch (error) {
      share.error = error as MpiError;
    }
    // The sender may be within a piece. Whether it goes on is not for us to wait for here: it may be
    // stopped. The buffer goes back when it has said that it does not touch it any more.
    if (copies.settles()) this.#shareEnded(transfer, share);
    else this.#ask(transfer, SHARE_ASK);
    return true;
  }

  #copiesWith(peer: Peer): SharedCopies | null {
    const { inboundClaims } = peer.channel;
    if (inboundClaims === null) return null;
    let copies = this.#shared.get(peer);
    if (copies === undefined) {
      copies = new SharedCopies(inboundClaims);
      this.#shared.set(peer, copies);
    }
    return copies;
  }

  onShared(peer: Peer, id: number): void {
    const transfer = this.#transfers.find(id, peer);
    const { share } = transfer;
    if (share === null)
      throw new MpiError('ERR_PROTOCOL', 'a peer has left a copy that was not shared with it');
    this.#shareEnded(transfer, share);
  }

  /** Nobody works on a piece any more. */
  #shareEnded(transfer: IncomingTransfer, share: SharedReceive): void {
    const { peer, request } = transfer;
    const { copies, own, pull } = share;
    transfer.share = null;
    peer.channel.conceal(own);
    try {
      const broken = copies.close();
      if (share.error !== null) throw share.error;
      if (broken && request.bytes.length === request.length) pull(0, share.length);
    } catch (error) {
      // As with any message of which a part cannot be had.
      this.#engine.sendControl(peer, FIN, transfer.sender);
      this.#give(transfer, error as MpiError);
      return;
    }
    this.#fetched(transfer);
  }

  // ---- ending

  #complete(transfer: IncomingTransfer): void {
    const { request, peer, tag, length, way, started, ahead } = transfer;
    this.#transfers.remove(transfer);
    if (started > 0) this.#record(peer, way, length, now() - started + ahead);
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
    if (transfer.exposed !== null || transfer.share !== null)
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
