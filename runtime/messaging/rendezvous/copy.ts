/** The scheme *copy*: the receiver asks, the sender sends the bytes in packets. It always works. */
import type { Packet } from '../../../transports/transport.ts';
import { now } from '../../base/clock.ts';
import { MpiError } from '../../base/error.ts';
import { putPacket } from '../body.ts';
import { PacketStream } from '../packet-stream.ts';
import type { Peer } from '../peer.ts';
import { CANCEL, COPY, CTS_WORD, DATA, FIN, longOf, putLong } from '../wire.ts';
import type { CopyFirst, Offer } from './offer.ts';
import type { IncomingTransfer, OutgoingTransfer } from './table.ts';
import type { Transfers } from './transfers.ts';

export class CopyScheme {
  readonly #transfers: Transfers;

  constructor(transfers: Transfers) {
    this.#transfers = transfers;
  }

  // ---- the receiver's end

  begin(transfer: IncomingTransfer, offer: Offer, copyFirst: CopyFirst): void {
    // Asked before the first bytes are copied: the sender goes on meanwhile.
    if (offer.firstBytes < offer.length) this.askFrom(transfer, offer.firstBytes);
    const began = transfer.started > 0 ? now() : 0;
    if (offer.firstBytes > 0) copyFirst(transfer.request);
    // The sender wrote those bytes before our clock started; reading them took about as long.
    if (began > 0) transfer.ahead = now() - began;
    transfer.received = offer.firstBytes;
    if (offer.firstBytes < offer.length) return;
    if (offer.synchronous) this.#transfers.output.sendControl(transfer.peer, FIN, transfer.sender);
    this.#transfers.received(transfer);
  }

  /** Asks for the message, or for what another scheme has left of it. */
  askFrom(transfer: IncomingTransfer, position: number): void {
    transfer.copying = true;
    transfer.received = position;
    this.#transfers.ask(transfer, COPY, (words) =>
      putLong(words, CTS_WORD.accessLow, CTS_WORD.accessHigh, position),
    );
  }

  onData(peer: Peer, packet: Packet): void {
    const transfer = this.#transfers.incoming.find(packet.tag, peer);
    const { request, received, length, copying } = transfer;
    if (!copying || packet.length === 0 || received + packet.length > length)
      throw new MpiError(
        'ERR_PROTOCOL',
        `a packet of ${packet.length} bytes goes beyond its message`,
      );
    if (request.intact) putPacket(request, received, packet);
    transfer.received += packet.length;
    if (transfer.received === length) this.#transfers.received(transfer);
  }

  // ---- the sender's end

  /** What is left of the message goes in packets; no end reaches the other's memory any more. */
  onCts(transfer: OutgoingTransfer, id: number, words: Int32Array): void {
    const { peer, request } = transfer;
    const position = longOf(words, CTS_WORD.accessLow, CTS_WORD.accessHigh);
    if (!(position >= transfer.position && position < request.length))
      throw new MpiError(
        'ERR_PROTOCOL',
        `a peer asked for ${request.length} bytes from ${position} on`,
      );
    transfer.revoke();
    transfer.exported = null;
    transfer.gaveUp = false;
    transfer.scheme = 'copy';
    transfer.receiver = id;
    const stream = new PacketStream(peer, request, DATA, id, position, ({ whole }) => {
      // The buffer was taken away.
      if (!whole) this.#transfers.output.sendControl(peer, CANCEL, id);
      this.#transfers.sent(transfer);
    });
    if (stream.stream()) return;
    peer.streams.push(stream);
    this.#transfers.output.markBusy(peer);
  }
}
