/** The scheme *get*: the receiver reads the sender's memory, at once or segment by segment. */
import type { Packet } from '../../../transports/transport.ts';
import { ACCESS_NONE } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import type { Peer } from '../peer.ts';
import { FETCHED, FIN, GET, SEGMENT } from '../wire.ts';
import type { CopyScheme } from './copy.ts';
import type { CopyFirst, Offer } from './offer.ts';
import { ExportedSegments, SegmentPipeline, segmentOf } from './pipeline.ts';
import { isFree } from './select.ts';
import type { IncomingTransfer, OutgoingTransfer } from './table.ts';
import { atOnce, type Transfers } from './transfers.ts';

export class GetScheme {
  readonly #transfers: Transfers;
  readonly #copy: CopyScheme;

  constructor(transfers: Transfers, copy: CopyScheme) {
    this.#transfers = transfers;
    this.#copy = copy;
  }

  // ---- the receiver's end

  begin(transfer: IncomingTransfer, offer: Offer, copyFirst: CopyFirst): void {
    const { request, peer, sender } = transfer;
    const { length, firstPiece: first, access, exportedBytes } = offer;
    if (isFree(peer.channel)) {
      if (first > 0) copyFirst(request);
      peer.channel.pull(access, first, request.bytes, first, length - first, atOnce);
      this.#transfers.read(transfer);
      return;
    }
    const exported = access.kind !== ACCESS_NONE;
    // Before anything else: the sender exports the next segment meanwhile.
    if (!exported || exportedBytes < length) this.#transfers.ask(transfer, GET);
    if (first > 0) copyFirst(request);
    const pipeline = new SegmentPipeline(peer.channel, 'pull', request, first, length, {
      moved: () => this.#transfers.output.sendControl(peer, FETCHED, sender),
      ended: (position, error) => this.#ended(transfer, position, error),
    });
    transfer.pipeline = pipeline;
    if (exported) pipeline.add({ start: 0, bytes: exportedBytes, access });
  }

  onSegment(peer: Peer, packet: Packet): void {
    const { pipeline, gaveUp } = this.#transfers.incoming.find(packet.tag, peer);
    // Sent before the sender knew.
    if (gaveUp) return;
    if (pipeline === null)
      throw new MpiError('ERR_PROTOCOL', 'a peer exports a message that is not fetched');
    pipeline.add(segmentOf(packet.extension));
  }

  #ended(transfer: IncomingTransfer, position: number, error: MpiError | null): void {
    const { peer, length, sender } = transfer;
    transfer.pipeline = null;
    if (error !== null) {
      this.#transfers.output.sendControl(peer, FIN, sender);
      this.#transfers.failReceive(transfer, error);
    } else if (position < length) {
      transfer.gaveUp = true;
      this.#copy.askFrom(transfer, position);
    } else this.#transfers.read(transfer);
  }

  // ---- the sender's end

  /** The receiver fetches, and wants the segments that the offer did not export. */
  onCts(transfer: OutgoingTransfer, id: number): void {
    const { peer, request, access, exportedBytes } = transfer;
    if (access.kind !== ACCESS_NONE && exportedBytes >= request.length)
      throw new MpiError('ERR_PROTOCOL', 'a peer asked for more than a whole message');
    transfer.receiver = id;
    const exported = new ExportedSegments(peer, request, request.length, 'pull', SEGMENT, id);
    if (access.kind !== ACCESS_NONE) exported.adopt({ ...access }, exportedBytes);
    else exported.skipTo(transfer.position);
    // From here on the segments' list holds it.
    access.kind = ACCESS_NONE;
    access.hold = null;
    transfer.exported = exported;
    if (exported.proceed()) this.#transfers.output.markBusy(peer);
  }

  /** The receiver is done with the oldest segment. */
  onFetched(peer: Peer, id: number): void {
    const { exported } = this.#transfers.outgoing.find(id, peer);
    if (exported === null)
      throw new MpiError('ERR_PROTOCOL', 'a peer fetched from a message without segments');
    exported.taken();
    if (exported.proceed()) this.#transfers.output.markBusy(peer);
  }
}
