/**
 * Large messages: an RTS takes the message's place in the order of matching; when it is matched, the
 * receiver decides how the bytes come (docs/internals/protocol.md). One file for each scheme, both ends in it:
 *
 * - *get*: the receiver fetches them from the sender's memory and says FIN;
 * - *put*: the sender writes them to the receiver's memory and says PUT_FIN;
 * - *share*: each end reaches the other's buffer, and both copy, chunk by chunk;
 * - *copy*: the sender sends them in packets.
 *
 * What a transport can do decides which of them there are; the protocol knows no transport.
 */
import type { Packet } from '../../../transports/transport.ts';
import { EXTENSION_WORDS } from '../../../transports/transport.ts';
import { now } from '../../base/clock.ts';
import { MpiError } from '../../base/error.ts';
import { trySendPart } from '../body.ts';
import type { Completion } from '../completion.ts';
import { chargeOf } from '../flow/credit.ts';
import { type Operation, SYNCHRONOUS } from '../operation.ts';
import type { Output } from '../output.ts';
import type { Peer } from '../peer.ts';
import * as wire from '../wire.ts';
import { CopyScheme } from './copy.ts';
import type { RendezvousScheme } from './cost-model.ts';
import { GetScheme } from './get.ts';
import { type CopyFirst, type Offer, putOffer } from './offer.ts';
import { PutScheme } from './put.ts';
import { isFree, type SchemeSelection } from './select.ts';
import { ShareScheme } from './share.ts';
import { IncomingTransfer, OutgoingTransfer, TRANSFERS_MAX } from './table.ts';
import { howOf, type MessageCounts, Transfers } from './transfers.ts';

type Handler = (peer: Peer, packet: Packet) => void;

export class Rendezvous {
  readonly #transfers: Transfers;
  readonly #selection: SchemeSelection;
  readonly #completion: Completion;
  readonly #copy: CopyScheme;
  readonly #get: GetScheme;
  readonly #put: PutScheme;
  readonly #share: ShareScheme;
  readonly #words = new Int32Array(EXTENSION_WORDS);
  readonly #handlers: ReadonlyMap<number, Handler>;

  constructor(completion: Completion, output: Output, selection: SchemeSelection) {
    this.#transfers = new Transfers(completion, output, selection);
    this.#selection = selection;
    this.#completion = completion;
    this.#copy = new CopyScheme(this.#transfers);
    this.#get = new GetScheme(this.#transfers, this.#copy);
    this.#put = new PutScheme(this.#transfers, this.#copy);
    this.#share = new ShareScheme(this.#transfers);
    this.#handlers = this.#handle();
  }

  get counts(): MessageCounts {
    return this.#transfers.counts;
  }

  /** Sends whose receiver has not taken everything yet. */
  get outgoing(): number {
    return this.#transfers.outgoing.size;
  }

  /** Those who have not taken everything yet. */
  receivers(): Peer[] {
    return this.#transfers.outgoing.values().map(({ peer }) => peer);
  }

  // ---- the sender's offer

  /** Sends an RTS; false: no room now. */
  offer(peer: Peer, request: Operation): boolean {
    const transfers = this.#transfers;
    if (transfers.outgoing.full) return false;
    const { length, context, tag } = request;
    const flow = peer.flow(context);
    const transfer = new OutgoingTransfer(transfers.outgoing.takeId(), request, peer);
    this.#export(transfer);
    const wanted = this.#selection.firstBytes(transfer);
    const first = flow.hasCredit(chargeOf(wanted)) ? wanted : 0;
    const words = this.#words;
    putOffer(words, transfer, this.#selection.holds(transfer));
    if (!trySendPart(peer.channel, wire.RTS, context, tag, words, request, 0, first)) {
      transfers.revoke(transfer);
      return false;
    }
    flow.charge(chargeOf(first));
    transfer.position = first;
    if (first < length || (request.kind & SYNCHRONOUS) !== 0) transfers.outgoing.add(transfer);
    // All of it is on its way: nobody will ask for more.
    else {
      transfers.revoke(transfer);
      this.#completion.complete(request, peer.rank, tag, length);
    }
    return true;
  }

  #export(transfer: OutgoingTransfer): void {
    const { peer, request, access } = transfer;
    const { channel } = peer;
    if (!this.#selection.exportsAhead(transfer, this.#transfers.exportedOffers)) return;
    const bytes = Math.min(request.length, channel.segmentBytes);
    if (!channel.exportMemory(request.bytes, 0, bytes, 'pull', access)) return;
    transfer.exportedBytes = bytes;
    if (isFree(channel)) return;
    transfer.holdsRegistration = true;
    this.#transfers.exportedOffers++;
  }

  // ---- the receiver's answer

  /** Nobody wants the message of an offer. */
  refuse(peer: Peer, offer: Offer): void {
    this.#transfers.refuse(peer, offer);
  }

  /**
   * The message of an offer belongs to `request`: fetch it, or ask for it.
   * @param copyFirst puts the offer's first bytes where the request wants it
   */
  accept(request: Operation, peer: Peer, tag: number, offer: Offer, copyFirst: CopyFirst): void {
    // Of a peer that is lost since only what came along with the offer can be had.
    if (peer.error !== null && offer.firstBytes < offer.length) {
      this.#completion.fail(request, peer.error);
      return;
    }
    const error = this.#refusal(request, peer, tag, offer);
    if (error !== null) {
      this.#transfers.refuse(peer, offer);
      this.#completion.fail(request, error);
      return;
    }
    const scheme = this.#selection.choose(peer, offer, request);
    const started = this.#selection.timed ? now() : 0;
    const { incoming } = this.#transfers;
    const id = incoming.takeId();
    const transfer = new IncomingTransfer(id, request, peer, tag, offer, scheme, started);
    incoming.add(transfer);
    try {
      this.#begin(scheme, transfer, offer, copyFirst);
    } catch (cause) {
      // This message is lost; whether its sender is as well shows in what comes next.
      incoming.remove(transfer);
      this.#transfers.refuse(peer, offer);
      this.#completion.fail(request, cause as MpiError);
    }
  }

  #refusal(request: Operation, peer: Peer, tag: number, offer: Offer): MpiError | null {
    if (this.#transfers.incoming.full)
      return new MpiError(
        'ERR_NO_MEM',
        `${TRANSFERS_MAX} large messages are being received already (TRANSFERS_MAX): wait for some of them`,
        {
          peer: peer.rank,
          tag,
        },
      );
    return this.#completion.refusal(request, peer.rank, tag, offer.length);
  }

  /** A scheme that cannot begin gives way: to share becomes to get, to put becomes to copy. */
  #begin(
    scheme: RendezvousScheme,
    transfer: IncomingTransfer,
    offer: Offer,
    copyFirst: CopyFirst,
  ): void {
    if (scheme === 'put' && this.#put.begin(transfer, offer, copyFirst)) return;
    if (scheme === 'share' && this.#share.begin(transfer, offer, copyFirst)) return;
    if (scheme === 'put' || scheme === 'copy') this.#copy.begin(transfer, offer, copyFirst);
    else this.#get.begin(transfer, offer, copyFirst);
  }

  // ---- packets

  /** A packet of a transfer under way. @throws MpiError ERR_PROTOCOL where it cannot be ours */
  onPacket(peer: Peer, packet: Packet): void {
    const handler = this.#handlers.get(packet.kind);
    if (handler === undefined)
      throw new MpiError('ERR_PROTOCOL', `a packet is of the unknown kind ${packet.kind}`);
    handler(peer, packet);
  }

  /** What is done with each kind of packet. */
  #handle(): Map<number, Handler> {
    const [transfers, get, put, share] = [this.#transfers, this.#get, this.#put, this.#share];
    return new Map<number, Handler>([
      [wire.CTS, (peer, { extension }) => this.#onCts(peer, extension)],
      [wire.FIN, (peer, { tag }) => transfers.onFin(peer, tag)],
      [wire.CONFIRM, (peer, { tag, extension }) => transfers.onConfirm(peer, tag, extension)],
      [wire.CONFIRMED, (peer, { tag }) => transfers.onConfirmed(peer, tag)],
      [wire.CANCEL, (peer, { tag }) => transfers.onCancel(peer, tag)],
      [wire.DATA, (peer, packet) => this.#copy.onData(peer, packet)],
      [wire.SEGMENT, (peer, packet) => get.onSegment(peer, packet)],
      [wire.FETCHED, (peer, { tag }) => get.onFetched(peer, tag)],
      [wire.TARGET, (peer, packet) => put.onTarget(peer, packet)],
      [wire.WRITTEN, (peer, { tag }) => put.onWritten(peer, tag)],
      [wire.PUT_FIN, (peer, packet) => put.onPutFin(peer, packet)],
      [wire.SHARE_ASK, (peer, { tag, extension }) => share.onShareAsk(peer, tag, extension)],
      [wire.SHARED, (peer, { tag }) => share.onShared(peer, tag)],
    ]);
  }

  /** What the receiver asks for. */
  #onCts(peer: Peer, words: Int32Array): void {
    const how = howOf(words);
    const transfer = this.#transfers.outgoing.find(words[wire.CTS_WORD.transfer], peer);
    const id = words[wire.CTS_WORD.receiver];
    // One that fetched, or had us write, may have to ask for the rest.
    const again = how === wire.COPY && (transfer.exported !== null || transfer.gaveUp);
    if (transfer.receiver !== 0 && !again)
      throw new MpiError('ERR_PROTOCOL', `a peer asked twice for a message, now by scheme ${how}`);
    if (transfer.request.noncontiguous !== null && how !== wire.COPY)
      throw new MpiError('ERR_PROTOCOL', `a peer asked by scheme ${how} for what comes in packets`);
    this.#transfers.answered(transfer);
    if (how === wire.SHARE) this.#share.onCts(transfer, id, words);
    else if (how === wire.COPY) this.#copy.onCts(transfer, id, words);
    else if (how === wire.GET) this.#get.onCts(transfer, id);
    else if (how === wire.PUT) this.#put.onCts(transfer, id, words);
    else
      throw new MpiError('ERR_PROTOCOL', `a peer asked for a message by the unknown scheme ${how}`);
  }

  /** Ends all transfers with a peer that is lost. */
  abandon(peer: Peer, error: MpiError): void {
    this.#transfers.abandon(peer, error);
    peer.streams.takeAll();
  }
}
