/** The scheme *put*: the sender writes to the receiver's memory, segment by segment. */
import type { Packet } from '../../../transports/transport.ts';
import { EXTENSION_WORDS } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import type { Peer } from '../peer.ts';
import {
  CANCEL,
  CTS_WORD,
  longOf,
  PUT,
  PUT_FIN,
  PUT_FIN_WORD,
  putLong,
  TARGET,
  WRITTEN,
} from '../wire.ts';
import type { CopyScheme } from './copy.ts';
import type { CopyFirst, Offer } from './offer.ts';
import { ExportedSegments, SegmentPipeline, segmentOf } from './pipeline.ts';
import type { IncomingTransfer, OutgoingTransfer } from './table.ts';
import { accessOf, putAccess, type Transfers } from './transfers.ts';

export class PutScheme {
  readonly #transfers: Transfers;
  readonly #copy: CopyScheme;

  constructor(transfers: Transfers, copy: CopyScheme) {
    this.#transfers = transfers;
    this.#copy = copy;
  }

  // ---- the receiver's end

  /** False: our memory cannot be exported. */
  begin(transfer: IncomingTransfer, offer: Offer, copyFirst: CopyFirst): boolean {
    const { request, peer, length, sender } = transfer;
    const exported = new ExportedSegments(peer, request, length, 'push', TARGET, sender);
    const segment = exported.begin(offer.firstPiece);
    if (segment === null) return false;
    transfer.exported = exported;
    const { start, bytes, access } = segment;
    this.#transfers.ask(transfer, PUT, (words) => {
      putAccess(words, access);
      words[CTS_WORD.segmentBytes] = bytes === length ? 0 : bytes;
      words[CTS_WORD.segmentStart] = start;
    });
    if (offer.firstPiece > 0) copyFirst(request);
    transfer.received = offer.firstPiece;
    if (exported.proceed()) this.#transfers.output.markBusy(peer);
    return true;
  }

  /** The sender is done with the oldest segment. */
  onWritten(peer: Peer, id: number): void {
    const { exported } = this.#writtenBy(peer, id);
    exported.taken();
    if (exported.proceed()) this.#transfers.output.markBusy(peer);
  }

  onPutFin(peer: Peer, packet: Packet): void {
    const { transfer, exported } = this.#writtenBy(peer, packet.tag);
    const position = longOf(packet.extension, PUT_FIN_WORD.low, PUT_FIN_WORD.high);
    if (!(position >= transfer.received && position <= exported.end))
      throw new MpiError('ERR_PROTOCOL', `a peer claims that it wrote up to ${position}`);
    exported.close();
    transfer.exported = null;
    // Asked for once no segment can follow any more that we told of.
    if (position < transfer.length) this.#copy.askFrom(transfer, position);
    else this.#transfers.received(transfer);
  }

  #writtenBy(peer: Peer, id: number) {
    const transfer = this.#transfers.incoming.find(id, peer);
    const { exported } = transfer;
    if (exported !== null) return { transfer, exported };
    throw new MpiError('ERR_PROTOCOL', 'a peer wrote a message that it was not asked to write');
  }

  // ---- the sender's end

  onCts(transfer: OutgoingTransfer, id: number, words: Int32Array): void {
    const { peer, request, position } = transfer;
    transfer.revoke();
    transfer.receiver = id;
    transfer.scheme = 'put';
    const pipeline = new SegmentPipeline(peer.channel, 'push', request, position, request.length, {
      moved: () => this.#transfers.output.sendControl(peer, WRITTEN, id),
      ended: (end, error) => this.#ended(transfer, end, error),
    });
    transfer.pipeline = pipeline;
    pipeline.add({
      start: words[CTS_WORD.segmentStart],
      bytes: words[CTS_WORD.segmentBytes] || request.length,
      access: accessOf(words),
    });
  }

  onTarget(peer: Peer, packet: Packet): void {
    const { pipeline, gaveUp } = this.#transfers.outgoing.find(packet.tag, peer);
    // Sent before the receiver knew.
    if (gaveUp) return;
    if (pipeline === null)
      throw new MpiError('ERR_PROTOCOL', 'a peer exports memory for a message not to be written');
    pipeline.add(segmentOf(packet.extension));
  }

  #ended(transfer: OutgoingTransfer, end: number, error: MpiError | null): void {
    const { peer, request, receiver } = transfer;
    const { output, outgoing, completion } = this.#transfers;
    // What was written of a buffer that is another's now is not the message: the receiver asks for it
    // anew, and is refused.
    const position = request.intact ? end : transfer.position;
    const words = new Int32Array(EXTENSION_WORDS);
    putLong(words, PUT_FIN_WORD.low, PUT_FIN_WORD.high, position);
    transfer.pipeline = null;
    output.sendControl(peer, PUT_FIN, receiver, words);
    if (error !== null) {
      output.sendControl(peer, CANCEL, receiver);
      outgoing.remove(transfer);
      completion.fail(request, error);
    } else if (position === request.length) this.#transfers.sent(transfer);
    else {
      transfer.gaveUp = true;
      transfer.position = position;
    }
  }
}
