/**
 * Large messages: an RTS takes the message's place in the order of matching; when it is matched, the
 * receiver decides how the bytes come (docs/design/protocol.md):
 *
 * - *get*: the receiver fetches them from the sender's memory and says FIN;
 * - *put*: the sender writes them to the receiver's memory and says PUT_FIN;
 * - *share*: each end reaches the other's buffer, and both copy, piece by piece;
 * - *copy*: the sender streams them through the channel.
 *
 * What a transport can do decides which of them there are; the protocol knows no transport.
 */
import type { Packet } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import type { Request } from '../../mpi/point-to-point/request.ts';
import type { Engine } from '../engine.ts';
import type { Peer } from '../peer.ts';
import { CANCEL, CTS, DATA, FETCHED, FIN, PUT_FIN, SEGMENT, TARGET, WRITTEN } from '../wire.ts';
import type { Preference, RendezvousPreference, Way } from './cost-model.ts';
import { type Offer, RendezvousReceiver } from './incoming.ts';
import { RendezvousSender } from './outgoing.ts';

/** How many large messages went each way. */
export type WayCounts = Record<Way, number>;

/** Large messages that came to their end, by the transport's name. */
export type MessageCounts = Record<string, { sent: WayCounts; received: WayCounts }>;

export class Rendezvous {
  readonly counts: MessageCounts = {};
  readonly #sender: RendezvousSender;
  readonly #receiver: RendezvousReceiver;

  constructor(engine: Engine, rendezvous: RendezvousPreference, singleCopy: Preference) {
    this.#sender = new RendezvousSender(engine, (peer, way) => this.#count(peer, 'sent', way));
    this.#receiver = new RendezvousReceiver(engine, rendezvous, singleCopy, (peer, way) =>
      this.#count(peer, 'received', way),
    );
  }

  #count({ channel }: Peer, direction: 'sent' | 'received', way: Way): void {
    const none = () => ({ copy: 0, get: 0, put: 0, share: 0 });
    this.counts[channel.transport] ??= { sent: none(), received: none() };
    this.counts[channel.transport][direction][way]++;
  }

  /** Sends whose receiver has not taken everything yet. */
  get outgoing(): number {
    return this.#sender.transfers.size;
  }

  /** Those who have not taken everything yet. */
  receivers(): Peer[] {
    return Array.from(this.#sender.transfers.values(), (transfer) => transfer.peer);
  }

  /** Sends an RTS; false: no room or no credit now. */
  offer(peer: Peer, request: Request): boolean {
    return this.#sender.offer(peer, request);
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
    this.#receiver.accept(request, peer, tag, offer, copyFirst);
  }

  /** A packet of a transfer under way. @throws MpiError ERR_PROTOCOL where it cannot be ours */
  onPacket(peer: Peer, packet: Packet): void {
    const { kind, tag, extension } = packet;
    if (kind === DATA) this.#receiver.onData(peer, packet);
    else if (kind === FIN) this.#sender.onFin(peer, tag);
    else if (kind === CTS) this.#sender.onCts(peer, extension);
    else if (kind === SEGMENT) this.#receiver.onSegment(peer, packet);
    else if (kind === FETCHED) this.#sender.onFetched(peer, tag);
    else if (kind === TARGET) this.#sender.onTarget(peer, packet);
    else if (kind === WRITTEN) this.#receiver.onWritten(peer, tag);
    else if (kind === PUT_FIN) this.#receiver.onPutFin(peer, packet);
    else if (kind === CANCEL) this.#receiver.onCancel(peer, tag);
    else throw new MpiError('ERR_PROTOCOL', `a packet is of the unknown kind ${kind}`);
  }

  /** Ends all transfers with a peer that is lost. */
  abandon(peer: Peer, error: MpiError): void {
    this.#sender.abandon(peer, error);
    this.#receiver.abandon(peer, error);
    peer.streams.length = 0;
  }
}
