/**
 * The receiving half of the engine: receives that wait for messages, messages that wait for receives,
 * and the packets that bring the two together.
 */
import type { Packet } from '../../../transports/transport.ts';
import { ANY_SOURCE } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { NO_BYTES } from '../../mpi/point-to-point/buffer.ts';
import type { Request } from '../../mpi/point-to-point/request.ts';
import { type Arrival, StreamedMessages } from '../eager/multi.ts';
import type { Engine } from '../engine.ts';
import { ENVELOPE_BYTES, ENVELOPE_BYTES_MAX, type Peer, UNEXPECTED_BYTES_MAX } from '../peer.ts';
import { type Offer, offerOf } from '../rendezvous/incoming.ts';
import type { Rendezvous } from '../rendezvous/rendezvous.ts';
import { Envelope, PostedReceives, UnexpectedMessages } from './bins.ts';
import { Deferred } from './prematched.ts';

/** A message that came before its receive: whole, still arriving in pieces, or only offered. */
class UnexpectedMessage extends Envelope {
  /** What the sender was charged with for it. */
  readonly charge: number;
  body: Uint8Array = NO_BYTES;
  arrival: Arrival | null = null;
  offer: Offer | null = null;

  constructor(source: number, tag: number, bytes: number) {
    super(source, tag);
    this.charge = bytes + ENVELOPE_BYTES;
  }
}

function copyOf(packet: Packet): Uint8Array {
  if (packet.length === 0) return NO_BYTES;
  const body = new Uint8Array(packet.length);
  packet.copyTo(body, 0);
  return body;
}

/** What belongs to one context id. */
export class Context {
  readonly posted = new PostedReceives();
  readonly unexpected = new UnexpectedMessages<UnexpectedMessage>();

  /** Receives that {@link Deferred} holds back. */
  deferred = 0;

  /** Nothing is kept or waited for: the next packet is the one that matching would give. */
  get quiet(): boolean {
    return this.posted.count === 0 && this.unexpected.count === 0 && this.deferred === 0;
  }
}

export class Receiving {
  readonly #engine: Engine;
  readonly #rendezvous: Rendezvous;
  readonly #streamed: StreamedMessages;
  readonly #contexts: Context[] = [];
  /** Receives that are not posted yet. */
  readonly deferred: Deferred;
  /** Bytes of unexpected messages, by peer: a peer of ours stays within its credit. */
  readonly #unexpectedBytes: Float64Array;

  constructor(engine: Engine, rendezvous: Rendezvous, streamed: StreamedMessages) {
    this.#engine = engine;
    this.#rendezvous = rendezvous;
    this.#streamed = streamed;
    this.#unexpectedBytes = new Float64Array(engine.size);
    this.deferred = new Deferred(engine);
  }

  /** Opens a context id for receives. */
  openContext(id: number): Context {
    this.#contexts[id] ??= new Context();
    return this.#contexts[id];
  }

  /** Posts a receive, or gives it the unexpected message that it matches. */
  receive(request: Request): void {
    const peer = this.#engine.peers[request.peer];
    const context = this.#contexts[request.context];
    if (this.deferred.take(request, context, peer)) return;
    if (context.unexpected.count > 0) {
      const message = context.unexpected.take(request.peer, request.tag);
      if (message !== null) {
        this.#take(request, message);
        return;
      }
    }
    // What a lost peer sent before may still be taken; more will not come. Contact is made by whoever
    // sends first, so a peer that is not known yet is none that is lost.
    if (peer !== undefined && peer.error !== null) throw peer.error;
    context.posted.post(request);
  }

  /** Gives an unexpected message to the receive that asked for it. */
  #take(request: Request, message: UnexpectedMessage): void {
    const { source, tag, body, arrival, offer } = message;
    const peer = this.#engine.contact(source);
    this.#unexpectedBytes[source] -= message.charge;
    peer.channel.returnCredit(message.charge);
    if (offer !== null) this.#rendezvous.accept(request, peer, tag, offer, (to) => to.set(body));
    else if (arrival !== null) this.#streamed.take(request, arrival);
    else {
      const error = this.#engine.refusal(request, source, tag, body.length);
      if (error !== null) this.#engine.fail(request, error);
      else {
        request.bytes.set(body);
        this.#engine.complete(request, source, tag, body.length);
      }
    }
  }

  /** @throws MpiError ERR_PROTOCOL where a message cannot be ours */
  #contextOf(packet: Packet): Context {
    const context = this.#contexts[packet.context];
    if (context !== undefined && packet.tag >= 0) return context;
    throw new MpiError(
      'ERR_PROTOCOL',
      `a message has context ${packet.context} and tag ${packet.tag}`,
    );
  }

  onEager(peer: Peer, packet: Packet): void {
    const { tag, length } = packet;
    const context = this.#contextOf(packet);
    const request = context.posted.match(peer.rank, tag) as Request | null;
    if (request === null) {
      const message = new UnexpectedMessage(peer.rank, tag, length);
      message.body = copyOf(packet);
      this.#keep(peer, context, message);
      return;
    }
    peer.channel.returnCredit(length + ENVELOPE_BYTES);
    if (length > request.length || request.bytes.length !== request.length)
      this.#engine.fail(request, this.#engine.refusal(request, peer.rank, tag, length) as MpiError);
    else {
      packet.copyTo(request.bytes, 0);
      this.#engine.complete(request, peer.rank, tag, length);
    }
  }

  onLong(peer: Peer, packet: Packet): void {
    const length = StreamedMessages.lengthOf(peer, packet);
    const { tag } = packet;
    const context = this.#contextOf(packet);
    const request = context.posted.match(peer.rank, tag) as Request | null;
    if (request === null) {
      const message = new UnexpectedMessage(peer.rank, tag, length);
      message.arrival = this.#streamed.onFirst(peer, packet, new Uint8Array(length));
      this.#keep(peer, context, message);
      return;
    }
    peer.channel.returnCredit(length + ENVELOPE_BYTES);
    const refused = this.#engine.refusal(request, peer.rank, tag, length);
    const arrival = this.#streamed.onFirst(peer, packet, refused ? NO_BYTES : request.bytes);
    if (refused !== null) this.#engine.fail(request, refused);
    else arrival.request = request;
  }

  onOffer(peer: Peer, packet: Packet): void {
    const offer = offerOf(packet);
    const { tag, length } = packet;
    const context = this.#contextOf(packet);
    const request = context.posted.match(peer.rank, tag) as Request | null;
    if (request === null) {
      const message = new UnexpectedMessage(peer.rank, tag, length);
      message.body = copyOf(packet);
      message.offer = offer;
      this.#keep(peer, context, message);
      return;
    }
    peer.channel.returnCredit(length + ENVELOPE_BYTES);
    this.#rendezvous.accept(request, peer, tag, offer, (to) => packet.copyTo(to, 0));
  }

  #keep(peer: Peer, context: Context, message: UnexpectedMessage): void {
    const bytes = this.#unexpectedBytes[peer.rank] + message.charge;
    if (bytes > UNEXPECTED_BYTES_MAX + ENVELOPE_BYTES_MAX)
      throw new MpiError('ERR_PROTOCOL', 'a peer sends more than its credit allows');
    this.#unexpectedBytes[peer.rank] = bytes;
    context.unexpected.add(message);
  }

  /** The first unexpected message that a receive would get, without taking it. */
  hasUnexpected(context: number, source: number, tag: number): boolean {
    return this.#contexts[context].unexpected.peek(source, tag) !== null;
  }

  /** Whether a receive is posted that a message to ourselves would match. */
  awaitsFromSelf(context: number, tag: number): boolean {
    return this.#contexts[context].posted.peek(this.#engine.rank, tag) !== null;
  }

  /**
   * Takes out the receives that wait for a peer, or (without one) all there are.
   * @param wildcards also those that others may still serve
   */
  withdraw(peer: number | null, wildcards: boolean): Request[] {
    this.deferred.post();
    const found: Request[] = [];
    for (const { posted } of this.#contexts.values())
      for (const receive of [...(peer === null ? posted.all() : posted.from(peer))]) {
        if (receive.peer === ANY_SOURCE && !wildcards) continue;
        posted.remove(receive);
        found.push(receive as Request);
      }
    return found;
  }
}
