/**
 * Messages of middle size: they go at once, as eager ones do, but in pieces, so that the receiver
 * copies one piece while the sender writes the next (docs/internals/protocol.md). The first packet takes
 * the message's place in the order of matching; the others follow without being asked for.
 */
import type { Packet } from '../../../transports/transport.ts';
import { EXTENSION_WORDS } from '../../../transports/transport.ts';
import { lengthOf, NO_BYTES, part } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { putFirst, putPacket, trySendPart } from '../body.ts';
import type { Completion } from '../completion.ts';
import type { Operation } from '../operation.ts';
import type { Output } from '../output.ts';
import { PacketStream } from '../packet-stream.ts';
import type { Peer } from '../peer.ts';
import { CUT, EAGER_FIRST, EAGER_NEXT } from '../wire.ts';

/** Words of a EAGER_FIRST's extension. */
const LENGTH = 0;
const TRANSFER = 1;

/** A message of which pieces are still to come. */
export class Arrival {
  readonly peer: Peer;
  readonly id: number;
  readonly tag: number;
  readonly length: number;
  /** Where the pieces go until a receive is matched. */
  bytes: Uint8Array;
  /** The receive, where the pieces go then; null while there is none, and where it was refused. */
  request: Operation | null;
  received = 0;
  /** The sender's buffer is gone: the rest never comes. */
  cut = false;

  constructor(
    peer: Peer,
    id: number,
    tag: number,
    length: number,
    bytes: Uint8Array,
    request: Operation | null,
  ) {
    this.peer = peer;
    this.id = id;
    this.tag = tag;
    this.length = length;
    this.bytes = bytes;
    this.request = request;
  }

  get complete(): boolean {
    return this.received === this.length;
  }
}

export class MultiPacketEager {
  readonly #completion: Completion;
  readonly #output: Output;
  readonly #words = new Int32Array(EXTENSION_WORDS);
  /** Messages on their way here, by peer and the sender's id. */
  readonly #arrivals = new Map<Peer, Map<number, Arrival>>();
  /** Ids of our messages of which pieces wait for room: none of them is given again meanwhile. */
  readonly #waiting = new Set<number>();
  #last = 0;

  constructor(completion: Completion, output: Output) {
    this.#completion = completion;
    this.#output = output;
  }

  /** Sends the first packet, and as many others as there is room for; false: no room for the first. */
  start(peer: Peer, request: Operation): boolean {
    const { length, context, tag } = request;
    const id = this.#nextId();
    this.#words[LENGTH] = length;
    this.#words[TRANSFER] = id;
    const { channel } = peer;
    const words = this.#words;
    if (!trySendPart(channel, EAGER_FIRST, context, tag, words, request, 0, peer.pieceBytes))
      return false;
    this.#last = id;
    const stream = new PacketStream(peer, request, EAGER_NEXT, id, peer.pieceBytes, ({ whole }) =>
      this.#sent(peer, request, id, whole),
    );
    if (!stream.stream()) {
      this.#waiting.add(id);
      peer.streams.push(stream);
      this.#output.markBusy(peer);
    }
    return true;
  }

  #nextId(): number {
    let id = this.#last;
    do id = (id + 1) & 0x7fff_ffff;
    while (this.#waiting.has(id));
    return id;
  }

  #sent(peer: Peer, request: Operation, id: number, whole: boolean): void {
    this.#waiting.delete(id);
    if (!whole) this.#output.sendControl(peer, CUT, id);
    const error = this.#completion.refusal(request, peer.rank, request.tag, 0);
    if (error !== null) this.#completion.fail(request, error);
    else this.#completion.complete(request, peer.rank, request.tag, request.length);
  }

  /** A first packet. The message's bytes go to its receive, or to `bytes` where there is none. */
  onFirst(peer: Peer, packet: Packet, bytes: Uint8Array, request: Operation | null): Arrival {
    const id = packet.extension[TRANSFER];
    const length = packet.extension[LENGTH];
    const arrival = new Arrival(peer, id, packet.tag, length, bytes, request);
    let ofPeer = this.#arrivals.get(peer);
    if (ofPeer === undefined) {
      ofPeer = new Map();
      this.#arrivals.set(peer, ofPeer);
    }
    if (ofPeer.has(id)) throw new MpiError('ERR_PROTOCOL', `the message ${id} begins twice`);
    ofPeer.set(id, arrival);
    this.#store(arrival, packet);
    return arrival;
  }

  onPiece(peer: Peer, packet: Packet): void {
    this.#store(this.#arrivalOf(peer, packet), packet);
  }

  /** The sender's buffer was taken away before all of it was sent. */
  onCut(peer: Peer, packet: Packet): void {
    const arrival = this.#arrivalOf(peer, packet);
    this.#arrivals.get(peer)?.delete(arrival.id);
    arrival.cut = true;
    if (arrival.request !== null) this.#completion.fail(arrival.request, this.#cutError(arrival));
  }

  #cutError({ peer, length, tag }: Arrival): MpiError {
    return new MpiError(
      'ERR_BUFFER',
      `rank ${peer.rank} took its buffer away while a message of ${length} bytes was on its way`,
      { rank: this.#output.rank, peer: peer.rank, tag },
    );
  }

  #arrivalOf(peer: Peer, packet: Packet): Arrival {
    const arrival = this.#arrivals.get(peer)?.get(packet.tag);
    if (arrival !== undefined) return arrival;
    throw new MpiError('ERR_PROTOCOL', `a piece belongs to the unknown message ${packet.tag}`);
  }

  #store(arrival: Arrival, packet: Packet): void {
    const { bytes, received, length, request } = arrival;
    if (packet.length === 0 || received + packet.length > length)
      throw new MpiError(
        'ERR_PROTOCOL',
        `a piece of ${packet.length} bytes goes beyond its message`,
      );
    // The memory may be gone, or the message refused: then its bytes are dropped.
    if (request !== null) {
      if (request.intact) putPacket(request, received, packet);
    } else if (received + packet.length <= lengthOf(bytes)) packet.copyTo(bytes, received);
    arrival.received += packet.length;
    if (!arrival.complete) return;
    this.#arrivals.get(arrival.peer)?.delete(arrival.id);
    if (arrival.request !== null) this.#deliver(arrival, arrival.request);
  }

  /** A receive takes a message that has come at least in part. */
  take(request: Operation, arrival: Arrival): void {
    const { peer, tag, length } = arrival;
    const lost = arrival.cut ? this.#cutError(arrival) : arrival.complete ? null : peer.error;
    const error = lost ?? this.#completion.refusal(request, peer.rank, tag, length);
    if (error !== null) {
      this.#completion.fail(request, error);
      return;
    }
    putFirst(request, part(arrival.bytes, 0, arrival.received));
    arrival.bytes = NO_BYTES;
    arrival.request = request;
    if (arrival.complete) this.#deliver(arrival, request);
  }

  #deliver(arrival: Arrival, request: Operation): void {
    const { peer, tag, length } = arrival;
    const error = this.#completion.refusal(request, peer.rank, tag, length);
    if (error !== null) this.#completion.fail(request, error);
    else this.#completion.complete(request, peer.rank, tag, length);
  }

  /** @throws MpiError ERR_PROTOCOL where a EAGER_FIRST's length cannot be ours */
  static lengthOf(peer: Peer, packet: Packet): number {
    const length = packet.extension[LENGTH];
    if (length > packet.length && length <= peer.eagerBytes) return length;
    throw new MpiError('ERR_PROTOCOL', `a multi-packet eager message claims ${length} bytes`);
  }

  /** Ends the receives whose messages a lost peer will not finish. */
  abandon(peer: Peer, error: MpiError): void {
    for (const arrival of this.#arrivals.get(peer)?.values() ?? [])
      if (arrival.request !== null) this.#completion.fail(arrival.request, error);
    this.#arrivals.delete(peer);
  }
}
