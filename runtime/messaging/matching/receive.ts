/**
 * The receiving half of the engine: receives that wait for messages, messages that wait for receives,
 * and the packets that bring the two together.
 */

import type { Packet } from '../../../transports/transport.ts';
import { NO_BYTES } from '../../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { putPacket } from '../body.ts';
import type { Completion } from '../completion.ts';
import { ContextTable } from '../contexts/table.ts';
import { MultiPacketEager } from '../eager/multi.ts';
import { chargeOf, flowOf, LIBRARY, PROGRAM } from '../flow/credit.ts';
import { KeptCredit } from '../flow/kept-credit.ts';
import type { ReceiveFlow } from '../flow/receive-flow.ts';
import { Search } from '../flow/search.ts';
import { CLAIM, type Operation, PEEK, PROBE } from '../operation.ts';
import type { Output } from '../output.ts';
import { FLOW_PACKETS_MAX, type Peer } from '../peer.ts';
import type { Peers } from '../peers.ts';
import { messageLength, offerOf } from '../rendezvous/offer.ts';
import type { Rendezvous } from '../rendezvous/rendezvous.ts';
import { CREDIT, FOUND, GONE, NONE, PASS, SEEK, STALLED, TAKE } from '../wire.ts';
import type { Envelope } from './bins.ts';
import { type Context, UnexpectedMessage } from './context.ts';
import { PrematchedReceives } from './prematched.ts';
import { SmallMessages } from './small-messages.ts';

/** What receiving needs of the engine. */
export interface ReceivingHost extends Output, Peers {
  /** Whether receives from a peer may be held back: looking at its channel alone does no harm. */
  mayHoldBack(peer: Peer): boolean;
  /** Whether messages that bear this context, or the next, wait to be sent. */
  sends(context: number): boolean;
}

export class Receiving {
  readonly #host: ReceivingHost;
  readonly #completion: Completion;
  readonly #rendezvous: Rendezvous;
  readonly #multi: MultiPacketEager;
  readonly contexts: ContextTable;
  /** Receives that are not posted yet. */
  readonly prematched: PrematchedReceives;
  readonly #search: Search;
  readonly #credit: KeptCredit;
  /** Unexpected messages that are small. */
  readonly small: SmallMessages;
  /** Probes that have met the message that is being delivered. */
  readonly #probes: Operation[] = [];

  constructor(
    host: ReceivingHost,
    completion: Completion,
    rendezvous: Rendezvous,
    multi: MultiPacketEager,
  ) {
    this.#host = host;
    this.#completion = completion;
    this.#rendezvous = rendezvous;
    this.#multi = multi;
    this.#credit = new KeptCredit(host);
    this.small = new SmallMessages(host, completion, this.#credit);
    this.contexts = new ContextTable({
      drop: (context) => this.#drop(context),
      sends: (id) => host.sends(id),
    });
    this.#search = new Search(host, this.contexts);
    this.prematched = new PrematchedReceives(host, completion, this.#credit, this);
  }

  /** Posts a receive, or gives it the unexpected message that it matches. */
  receive(request: Operation): void {
    const context = this.contexts.of(request.context);
    this.receiveIn(context, this.#host.peers[request.peer], request);
  }

  /** The same where it is known whose context and peer the request means. */
  receiveIn(context: Context, peer: Peer | undefined, request: Operation): void {
    if (this.prematched.take(request, context, peer)) return;
    if (context.row !== null && this.small.give(request, context)) return;
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
    this.post(context, request);
  }

  /** Posts a probe, or gives it the unexpected message that it matches. */
  probe(probe: Operation): void {
    this.prematched.post();
    const context = this.contexts.of(probe.context);
    const message = context.unexpected.peek(probe.peer, probe.tag);
    if (message !== null) {
      this.#show(probe, context, message);
      return;
    }
    const peer = this.#host.peers[probe.peer];
    if (peer !== undefined && peer.error !== null) throw peer.error;
    this.post(context, probe);
  }

  #show(probe: Operation, context: Context, message: UnexpectedMessage): void {
    if ((probe.kind & CLAIM) !== 0) {
      context.unexpected.remove(message);
      this.#discharge(message, flowOf(probe.context));
      probe.message = message;
    }
    this.#completion.complete(probe, message.source, message.tag, message.size);
  }

  /** It counts no more among those that are kept for its sender. */
  #discharge(message: UnexpectedMessage, flow: number): void {
    const { charge, source } = message;
    if (charge === 0) return;
    message.charge = 0;
    this.#credit.discharge(this.#host.contact(source), flow, charge);
  }

  /** Gives the message that a probe has claimed to a receive. */
  receiveClaimed(request: Operation, message: Envelope): void {
    this.#take(request, message as UnexpectedMessage);
  }

  /** The first unexpected message that fits; null: there is none. */
  peek(context: number, source: number, tag: number): UnexpectedMessage | null {
    this.prematched.post();
    return this.contexts.of(context).unexpected.peek(source, tag);
  }

  /** A receive waits from here on. */
  post(context: Context, request: Operation): void {
    context.posted.post(request);
    if (this.#search.active) this.#search.onPosted(request);
  }

  /** Messages wait at a peer for what is posted: each receive has to be. */
  get searches(): boolean {
    return this.#search.active;
  }

  /** Gives an unexpected message to the receive that asked for it. */
  #take(request: Operation, message: UnexpectedMessage): void {
    const { source, tag, arrival, offer, length } = message;
    const peer = this.#host.contact(source);
    this.#discharge(message, flowOf(request.context));
    if (offer !== null)
      this.#rendezvous.accept(request, peer, tag, offer, (to) =>
        this.small.bodies.copy(message, to),
      );
    else if (arrival !== null) this.#multi.take(request, arrival);
    else {
      const error = this.#completion.refusal(request, source, tag, length);
      if (error !== null) this.#completion.fail(request, error);
      else {
        this.small.bodies.copy(message, request);
        this.#completion.complete(request, source, tag, length);
      }
    }
    if (message.chunk !== null) this.small.bodies.take(message, length, null);
  }

  /** @throws MpiError ERR_PROTOCOL where a message cannot be ours */
  #contextOf(peer: Peer, packet: Packet): Context {
    const context = this.contexts.meantBy(peer, packet.context);
    if (context !== undefined && packet.tag >= 0) return context;
    throw new MpiError(
      'ERR_PROTOCOL',
      `a message has context ${packet.context} and tag ${packet.tag}`,
    );
  }

  onEager(peer: Peer, packet: Packet): void {
    const { tag, length } = packet;
    const charge = chargeOf(length);
    const context = this.#contextOf(peer, packet);
    const request = this.#match(peer, context, packet);
    if (request === null && !context.closed) {
      if (this.#probes.length === 0 && this.small.keep(peer, packet, context)) return;
      const message = this.small.pool.borrow(peer.rank, tag, charge);
      this.#keep(peer, packet, context, message);
      this.small.bodies.keep(packet, message);
      this.#showAll(context, message);
      return;
    }
    this.#credit.giveBack(peer, context.flow, charge);
    if (request === null) return;
    if (length > request.length || !request.intact)
      this.#completion.fail(
        request,
        this.#completion.refusal(request, peer.rank, tag, length) as MpiError,
      );
    else {
      putPacket(request, 0, packet);
      this.#completion.complete(request, peer.rank, tag, length);
    }
  }

  onEagerFirst(peer: Peer, packet: Packet): void {
    const length = MultiPacketEager.lengthOf(peer, packet);
    const { tag } = packet;
    const charge = chargeOf(length);
    const context = this.#contextOf(peer, packet);
    const request = this.#match(peer, context, packet);
    if (request === null && !context.closed) {
      const message = new UnexpectedMessage(peer.rank, tag, charge);
      message.arrival = this.#multi.onFirst(peer, packet, new Uint8Array(length), null);
      this.#keep(peer, packet, context, message);
      this.#showAll(context, message);
      return;
    }
    this.#credit.giveBack(peer, context.flow, charge);
    if (request === null) {
      this.#multi.onFirst(peer, packet, NO_BYTES, null);
      return;
    }
    const refused = this.#completion.refusal(request, peer.rank, tag, length);
    this.#multi.onFirst(peer, packet, NO_BYTES, refused === null ? request : null);
    if (refused !== null) this.#completion.fail(request, refused);
  }

  onOffer(peer: Peer, packet: Packet): void {
    const offer = offerOf(packet);
    const { tag, length } = packet;
    const charge = chargeOf(length);
    const context = this.#contextOf(peer, packet);
    const request = this.#match(peer, context, packet);
    if (request === null && !context.closed) {
      const message = new UnexpectedMessage(peer.rank, tag, charge);
      message.offer = offer;
      this.#keep(peer, packet, context, message);
      this.small.bodies.keep(packet, message);
      this.#showAll(context, message);
      return;
    }
    this.#credit.giveBack(peer, context.flow, charge);
    if (request === null) this.#rendezvous.refuse(peer, offer);
    else this.#rendezvous.accept(request, peer, tag, offer, (to) => putPacket(to, 0, packet));
  }

  #keep(peer: Peer, packet: Packet, context: Context, message: UnexpectedMessage): void {
    // What was asked for may come beyond all credit.
    if (this.#probes.length > 0) {
      this.#credit.giveBack(peer, context.flow, message.charge);
      message.charge = 0;
    } else this.#credit.charge(peer, flowOf(packet.context), message.charge);
    context.unexpected.add(message);
    if (context.calls !== null) context.calls.onUnexpected(peer.rank, message.tag);
  }

  /** A communicator is freed: nobody will receive what is kept of it. */
  #drop({ unexpected, flow }: Context): void {
    for (;;) {
      const message = unexpected.take(ANY_SOURCE, ANY_TAG);
      if (message === null) return;
      const { source, charge, arrival, offer } = message;
      const peer = this.#host.contact(source);
      this.#credit.discharge(peer, flow, charge);
      if (offer !== null) this.#rendezvous.refuse(peer, offer);
      // What is still to come of it is dropped as it comes.
      if (arrival !== null) arrival.bytes = NO_BYTES;
      if (message.chunk !== null) this.small.bodies.take(message, message.length, null);
    }
  }

  /** A peer opens a context. @throws MpiError ERR_PROTOCOL */
  onOpen(peer: Peer, packet: Packet): void {
    this.contexts.onOpen(peer, packet);
    this.#search.onOpen(peer);
  }

  /** Those who probed for a message hear of it once it is kept. */
  #showAll(context: Context, message: UnexpectedMessage): void {
    if (this.#probes.length === 0) return;
    for (const probe of this.#probes.splice(0)) this.#show(probe, context, message);
  }

  /**
   * Takes out the receive that a message belongs to, and the probes before it; one that claims the message
   * leaves none to the receives.
   */
  #match(peer: Peer, context: Context, packet: Packet): Operation | null {
    let found = this.#matchFirst(peer, context, packet);
    if (found === null || (found.kind & PROBE) === 0) return found;
    while (found !== null && (found.kind & PEEK) !== 0) {
      this.#probes.push(found);
      found = context.posted.match(peer.rank, packet.tag) as Operation | null;
    }
    if (found !== null && (found.kind & CLAIM) !== 0) {
      this.#probes.push(found);
      return null;
    }
    // The receive takes it at once: who only looks hears of it before.
    if (found !== null)
      for (const probe of this.#probes.splice(0))
        this.#completion.complete(probe, peer.rank, packet.tag, messageLength(packet));
    return found;
  }

  #matchFirst(peer: Peer, context: Context, { tag }: Packet): Operation | null {
    const flow = peer.incoming[context.flow];
    if (peer.promises > 0 && flow.promised !== null) {
      const { context: wanted, tag: asked } = flow.promised;
      if (this.contexts.of(wanted) === context && (asked === tag || asked === ANY_TAG))
        return this.#search.takePromised(peer, flow);
      throw new MpiError('ERR_PROTOCOL', 'a message is not the one that was asked for');
    }
    return context.posted.match(peer.rank, tag) as Operation | null;
  }

  /** A packet of flow control. @throws MpiError ERR_PROTOCOL where it cannot be ours */
  onFlow(peer: Peer, packet: Packet): void {
    const { kind, tag, extension } = packet;
    if (tag !== PROGRAM && tag !== LIBRARY)
      throw new MpiError('ERR_PROTOCOL', `a packet names the unknown flow ${tag}`);
    if (peer.heldFlowPackets >= FLOW_PACKETS_MAX)
      throw new MpiError('ERR_PROTOCOL', 'a peer asks for messages and takes no answer');
    const incoming = peer.incoming[tag];
    const outgoing = peer.outgoing[tag];
    if (kind === STALLED) this.#search.onStalled(peer, incoming);
    else if (kind === SEEK) outgoing.onSeek(extension);
    else if (kind === NONE) this.#search.onNone(peer, incoming, extension[0] === 1);
    else if (kind === FOUND) this.#search.onFound(peer, incoming, packet);
    else if (kind === TAKE) outgoing.onTake();
    else if (kind === PASS) outgoing.onPass();
    else if (kind === GONE) this.#onGone(peer, incoming);
    else if (kind === CREDIT) outgoing.credited(extension[0]);
    else throw new MpiError('ERR_PROTOCOL', `a packet is of the unknown kind ${kind}`);
  }

  #onGone(peer: Peer, flow: ReceiveFlow): void {
    const request = this.#search.takePromised(peer, flow);
    if (request === null)
      throw new MpiError('ERR_PROTOCOL', 'a peer has lost a message that it was not asked for');
    const error = new MpiError(
      'ERR_BUFFER',
      `rank ${peer.rank} took its buffer away before its message could leave`,
      { rank: this.#host.rank, peer: peer.rank, tag: request.tag },
    );
    this.#completion.fail(request, error);
  }

  /** A peer is lost; the receives that were promised messages of its. */
  abandon(peer: Peer): Operation[] {
    return this.#search.abandon(peer);
  }

  /** Whether a receive is posted that a message to ourselves would match. */
  awaitsFromSelf(context: number, tag: number): boolean {
    return this.contexts.of(context).posted.peek(this.#host.rank, tag) !== null;
  }

  /** Takes a receive back; false: it has met its message. */
  cancel(request: Operation): boolean {
    this.prematched.post();
    if (request.bin === null) return false;
    this.contexts.of(request.context).posted.remove(request);
    return true;
  }

  /**
   * Takes out the receives that wait for a peer, or (without one) all there are.
   * @param wildcards also those that others may still serve
   */
  withdraw(peer: number | null, wildcards: boolean): Operation[] {
    this.prematched.post();
    const found: Operation[] = [];
    for (const { posted, names } of this.contexts.all())
      for (const receive of [...(peer === null ? posted.all() : posted.from(peer))]) {
        const any = receive.peer === ANY_SOURCE;
        if (any && !(wildcards && (peer === null || peer < 0 || names.includes(peer)))) continue;
        posted.remove(receive);
        found.push(receive as Operation);
      }
    return found;
  }
}
