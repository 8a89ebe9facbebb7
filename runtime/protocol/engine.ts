/**
 * The message engine of a rank: matches what arrives with what is asked for, sends, and waits. It
 * knows transports by their interface only, and nothing of communicators beyond their context ids.
 */
import type { Packet, PacketHandler, Transport } from '../../transports/transport.ts';
import { TOOK_OTHER } from '../../transports/transport.ts';
import { NO_BYTES } from '../buffer.ts';
import { ANY_SOURCE } from '../constants.ts';
import { MpiError } from '../error.ts';
import { EventLoopProgress } from '../event-loop.ts';
import { Envelope, PostedReceives, UnexpectedMessages } from '../matching.ts';
import { COMPLETE, FAILED, PENDING, type Request } from '../request.ts';
import type { Status } from '../status.ts';
import type { Preference } from './cost-model.ts';
import {
  ENVELOPE_BYTES,
  ENVELOPE_BYTES_MAX,
  Peer,
  UNEXPECTED_BYTES_MAX,
  type Waiting,
} from './peer.ts';
import { type Offer, offerOf, Rendezvous } from './rendezvous.ts';
import { type Arrival, EAGER_MAX, PIECE_BYTES, StreamedMessages } from './streamed.ts';
import { CANCEL, CTS, DATA, EAGER, FIN, LONG, PIECE, RTS } from './wire.ts';

/** Polls of one peer's channel alone, before a blocking receive looks at all of them. */
export const DIRECT_POLLS = 400;
/** A blocked rank looks this often whether those it waits for are still there, in milliseconds. */
export const SLEEP_CHECK_MS = 500;
/** MPI.finalize() gives up what nobody can receive any more after this long, in milliseconds. */
export const FINALIZE_GRACE_MS = 500;

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

  /** Nothing is kept or waited for: the next packet is the one that matching would give. */
  get quiet(): boolean {
    return this.posted.count === 0 && this.unexpected.count === 0;
  }
}

export interface EngineOptions {
  rank: number;
  size: number;
  self: Transport;
  /** Reaches the ranks of this node; absent in a world of one. */
  node: Transport | null;
  /** Polls that find nothing before a blocked rank sleeps; 0 with more ranks than cores. */
  spinPolls: number;
  singleCopy: Preference;
}

export class Engine implements PacketHandler {
  readonly rank: number;
  readonly size: number;
  readonly loop: EventLoopProgress;
  readonly #self: Transport;
  readonly #node: Transport | null;
  readonly #spinPolls: number;
  readonly #directPolls: number;
  /** By world rank, from the first contact on. */
  readonly peers: (Peer | undefined)[];
  readonly #contexts: Context[] = [];
  readonly #rendezvous: Rendezvous;
  readonly #streamed = new StreamedMessages(this);
  readonly #busy: Peer[] = [];
  /** Bytes of unexpected messages, by peer: a peer of ours stays within its credit. */
  readonly #unexpectedBytes: Float64Array;
  /** Whether something was sent to ourselves. */
  #selfInUse = false;

  constructor(options: EngineOptions) {
    this.rank = options.rank;
    this.size = options.size;
    this.#self = options.self;
    this.#node = options.node;
    this.#spinPolls = options.spinPolls;
    this.#directPolls = Math.min(DIRECT_POLLS, options.spinPolls);
    this.peers = new Array(options.size).fill(undefined);
    this.#unexpectedBytes = new Float64Array(options.size);
    this.#rendezvous = new Rendezvous(this, options.singleCopy);
    this.loop = new EventLoopProgress(this, options.node ?? options.self, options.spinPolls > 0);
  }

  /** Opens a context id for receives. */
  openContext(id: number): Context {
    this.#contexts[id] ??= new Context();
    return this.#contexts[id];
  }

  /** @throws MpiError ERR_UNREACHABLE, ERR_NO_MEM, or what the peer failed with */
  peer(rank: number): Peer {
    const peer = this.peers[rank] ?? this.#connect(rank);
    if (peer.error !== null) throw peer.error;
    return peer;
  }

  #connect(rank: number): Peer {
    const transport = rank === this.rank ? this.#self : this.#node;
    if (rank === this.rank) this.#selfInUse = true;
    if (transport === null)
      throw new MpiError('ERR_UNREACHABLE', `no transport reaches rank ${rank}`, { peer: rank });
    const peer = new Peer(rank, transport.connect(rank));
    this.peers[rank] = peer;
    return peer;
  }

  // ---- sending

  /** Starts a send; it completes when the buffer may be used again. */
  send(request: Request): void {
    const peer = this.peer(request.peer);
    if (peer.clear && this.#start(peer, request)) return;
    this.#queue(peer, {
      retry: () => this.#start(peer, request),
      fail: (error) => this.fail(request, error),
    });
  }

  /** Sends a request's message or its offer; false: no room or no credit now. */
  #start(peer: Peer, request: Request): boolean {
    const { bytes, length } = request;
    const lost = this.refusal(request, peer.rank, request.tag, 0);
    if (lost !== null) {
      this.fail(request, lost);
      return true;
    }
    const charge = length + ENVELOPE_BYTES;
    if (length > EAGER_MAX || !peer.hasCredit(charge, UNEXPECTED_BYTES_MAX))
      return this.#rendezvous.offer(peer, request);
    if (length > PIECE_BYTES) {
      if (!this.#streamed.start(peer, request)) return false;
      peer.charge(charge);
      return true;
    }
    if (!peer.channel.trySend(EAGER, request.context, request.tag, bytes, 0, length)) return false;
    peer.charge(charge);
    this.complete(request, peer.rank, request.tag, length);
    return true;
  }

  /** A packet without a body that belongs to a transfer; waits for room where there is none. */
  sendControl(peer: Peer, kind: number, tag: number, extension: Int32Array | null = null): void {
    const send = () =>
      extension === null
        ? peer.channel.trySend(kind, 0, tag, NO_BYTES, 0, 0)
        : peer.channel.trySendExtended(kind, 0, tag, extension, NO_BYTES, 0, 0);
    if (peer.clear && send()) return;
    this.#queue(peer, { retry: send, fail() {} });
  }

  #queue(peer: Peer, waiting: Waiting): void {
    peer.wait(waiting);
    this.markBusy(peer);
  }

  markBusy(peer: Peer): void {
    if (!this.#busy.includes(peer)) this.#busy.push(peer);
  }

  // ---- receiving

  /**
   * Takes the small message that comes next from a peer, polling for a short while; false: it takes a
   * request. The hot path of a blocking receive, for a quiet context.
   */
  tryReceiveNow(
    peer: Peer,
    context: number,
    tag: number,
    bytes: Uint8Array,
    status: Status,
  ): boolean {
    if (this.#busy.length > 0 || peer.error !== null) return false;
    const { channel } = peer;
    for (let polls = this.#directPolls; polls > 0; polls--) {
      const length = channel.tryTake(EAGER, context, tag, bytes);
      if (length >= 0) {
        channel.returnCredit(length + ENVELOPE_BYTES);
        status.tag = channel.takenTag;
        status.byteLength = length;
        return true;
      }
      if (length === TOOK_OTHER) return false;
    }
    return false;
  }

  /** Completes a receive with the message that comes next, if it is there; for a quiet context. */
  tryComplete(request: Request, peer: Peer): boolean {
    if (this.#busy.length > 0 || peer.error !== null) return false;
    const { channel } = peer;
    const length = channel.tryTake(EAGER, request.context, request.tag, request.bytes);
    if (length < 0) return false;
    channel.returnCredit(length + ENVELOPE_BYTES);
    this.complete(request, peer.rank, channel.takenTag, length);
    return true;
  }

  /** Posts a receive, or gives it the unexpected message that it matches. */
  receive(request: Request): void {
    const context = this.#contexts[request.context];
    if (context.unexpected.count > 0) {
      const message = context.unexpected.take(request.peer, request.tag);
      if (message !== null) {
        this.#take(request, message);
        return;
      }
    }
    // What a lost peer sent before may still be taken; more will not come. Contact is made by whoever
    // sends first, so a peer that is not known yet is none that is lost.
    const lost = request.peer === ANY_SOURCE ? null : this.peers[request.peer]?.error;
    if (lost) throw lost;
    context.posted.post(request);
  }

  /** Gives an unexpected message to the receive that asked for it. */
  #take(request: Request, message: UnexpectedMessage): void {
    const { source, tag, body, arrival, offer } = message;
    const peer = this.peers[source] ?? this.#connect(source);
    this.#unexpectedBytes[source] -= message.charge;
    peer.channel.returnCredit(message.charge);
    if (offer !== null) this.#rendezvous.accept(request, peer, tag, offer, (to) => to.set(body));
    else if (arrival !== null) this.#streamed.take(request, arrival);
    else {
      const error = this.refusal(request, source, tag, body.length);
      if (error !== null) this.fail(request, error);
      else {
        request.bytes.set(body);
        this.complete(request, source, tag, body.length);
      }
    }
  }

  onPacket(rank: number, packet: Packet): void {
    const peer = this.peers[rank] ?? this.#connect(rank);
    switch (packet.kind) {
      case EAGER:
        this.#onEager(peer, packet);
        break;
      case LONG:
        this.#onLong(peer, packet);
        break;
      case PIECE:
        this.#streamed.onPiece(peer, packet);
        break;
      case RTS:
        this.#onOffer(peer, packet);
        break;
      case DATA:
        this.#rendezvous.onData(peer, packet);
        break;
      case CTS:
        this.#rendezvous.onCts(peer, packet);
        break;
      case FIN:
        this.#rendezvous.onFin(peer, packet);
        break;
      case CANCEL:
        this.#rendezvous.onCancel(peer, packet);
        break;
      default:
        throw new MpiError('ERR_PROTOCOL', `a packet is of the unknown kind ${packet.kind}`);
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

  #onEager(peer: Peer, packet: Packet): void {
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
      this.fail(request, this.refusal(request, peer.rank, tag, length) as MpiError);
    else {
      packet.copyTo(request.bytes, 0);
      this.complete(request, peer.rank, tag, length);
    }
  }

  #onLong(peer: Peer, packet: Packet): void {
    const length = StreamedMessages.lengthOf(packet);
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
    const refused = this.refusal(request, peer.rank, tag, length);
    const arrival = this.#streamed.onFirst(peer, packet, refused ? NO_BYTES : request.bytes);
    if (refused !== null) this.fail(request, refused);
    else arrival.request = request;
  }

  #onOffer(peer: Peer, packet: Packet): void {
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
    return this.#contexts[context].posted.peek(this.rank, tag) !== null;
  }

  /** Whether a message to `rank` would leave at once, without waiting for its receive. */
  takesNow(rank: number, length: number): boolean {
    const peer = this.peer(rank);
    const charge = length + ENVELOPE_BYTES;
    return length <= EAGER_MAX && peer.clear && peer.hasCredit(charge, UNEXPECTED_BYTES_MAX);
  }

  /** Why `request` cannot have a message of `length` bytes; null where it can. */
  refusal(request: Request, peer: number, tag: number, length: number): MpiError | null {
    if (request.bytes.length !== request.length) {
      const what = request.isSend ? `to rank ${peer}` : `from rank ${peer}`;
      return new MpiError(
        'ERR_BUFFER',
        `the buffer of a message ${what} was detached or shrunk while the operation was under way`,
        { rank: this.rank, peer, tag },
      );
    }
    if (length <= request.length) return null;
    return new MpiError(
      'ERR_TRUNCATE',
      `a message of ${length} bytes from rank ${peer} with tag ${tag} is larger than the buffer of ${request.length} bytes; the message is dropped`,
      { rank: this.rank, peer, tag },
    );
  }

  // ---- completion

  complete(request: Request, peer: number, tag: number, length: number): void {
    request.peer = peer;
    request.tag = tag;
    request.matchedLength = length;
    this.#settle(request, COMPLETE);
  }

  fail(request: Request, error: MpiError): void {
    if (request.state !== PENDING) return;
    request.error = error;
    this.#settle(request, FAILED);
  }

  #settle(request: Request, state: number): void {
    request.state = state;
    if (request.tracked) this.loop.untrack();
    const { settled } = request;
    if (settled === null) return;
    request.settled = null;
    this.loop.release();
    settled();
  }

  /** A nonblocking operation goes on while the event loop turns. */
  track(request: Request): void {
    request.tracked = true;
    this.loop.track();
  }

  // ---- progress

  /** Takes what has arrived and sends what there is room for; how many packets came. */
  progress(): number {
    let count = this.#node === null ? 0 : this.#node.poll(this);
    if (this.#selfInUse) count += this.#self.poll(this);
    if (this.#busy.length > 0) this.#pushBusy();
    return count;
  }

  #pushBusy(): void {
    for (const peer of [...this.#busy]) {
      peer.push();
      if (!peer.busy) this.#busy.splice(this.#busy.indexOf(peer), 1);
    }
  }

  /** Blocks until a request has ended: polls for a bounded time, then sleeps until a peer rings. */
  wait(request: Request): void {
    let polls = this.#spinPolls;
    while (request.state === PENDING) {
      if (this.progress() > 0) polls = this.#spinPolls;
      else if (request.state === PENDING && --polls <= 0) this.#sleep(request);
    }
  }

  #sleep(request: Request): void {
    const node = this.#node;
    if (node === null) {
      if (this.progress() === 0 && request.state === PENDING) this.fail(request, this.#alone());
      return;
    }
    node.arm('block');
    // What was published before the bell was armed rings no bell: look once more.
    if (this.progress() === 0 && request.state === PENDING) {
      node.block(SLEEP_CHECK_MS);
      node.disarm();
      if (this.progress() === 0 && request.state === PENDING) this.checkPeers();
    } else node.disarm();
    this.loop.rearm();
  }

  #alone(): MpiError {
    return new MpiError(
      'ERR_DEADLOCK',
      'a world of one rank waits for a message that nobody can send any more',
      { rank: this.rank },
    );
  }

  // ---- peers that are lost

  onPeerError(rank: number, cause: Error): void {
    const known = cause instanceof MpiError ? cause.code : 'ERR_INTERNAL';
    const error = new MpiError(
      known,
      `rank ${rank} cannot be talked to any more: ${cause.message}`,
      {
        rank: this.rank,
        peer: rank,
        cause,
      },
    );
    this.#lose(rank, error);
  }

  /** Ends what waits for ranks that have left; how many packets came in the meantime. */
  checkPeers(): number {
    if (this.#node === null) return 0;
    let gone = 0;
    for (let rank = 0; rank < this.size; rank++) {
      if (rank === this.rank) continue;
      const lost = this.peers[rank]?.error ?? null;
      if (lost !== null) gone++;
      else if (this.#node.presence(rank) === 'left') {
        // Its last packets may have come between.
        const count = this.progress();
        if (count > 0) return count;
        this.#lose(rank, this.#left(rank));
        gone++;
      }
    }
    if (gone === this.size - 1 && gone > 0) this.#failWildcards();
    return 0;
  }

  /** @throws MpiError where a peer that we work with has left */
  checkAlive(peer: Peer): void {
    if (peer.error === null && this.#node?.presence(peer.rank) === 'left')
      throw this.#left(peer.rank);
  }

  #left(rank: number): MpiError {
    return new MpiError(
      'ERR_PEER_FAILED',
      `rank ${rank} has left (MPI.finalize) while rank ${this.rank} still waits for it`,
      { rank: this.rank, peer: rank },
    );
  }

  #lose(rank: number, error: MpiError): void {
    const peer = this.peers[rank] ?? this.#connect(rank);
    if (peer.error !== null) return;
    this.#abandon(peer, error);
    for (const { posted } of this.#contexts.values())
      for (const request of [...posted.from(rank)] as Request[]) {
        // A wildcard receive may still be served by others, unless the peer broke the protocol.
        if (request.peer === ANY_SOURCE && error.code === 'ERR_PEER_FAILED') continue;
        posted.remove(request);
        this.fail(request, error);
      }
  }

  /** Ends what was sent to a peer, and what is coming from it. */
  #abandon(peer: Peer, error: MpiError): void {
    peer.lose(error);
    for (const { request } of peer.streams.splice(0)) this.fail(request, error);
    this.#rendezvous.abandon(peer, error);
    this.#streamed.abandon(peer, error);
  }

  #failWildcards(): void {
    const error = new MpiError(
      'ERR_PEER_FAILED',
      `rank ${this.rank} waits for a message from any rank, but all others have left`,
      { rank: this.rank },
    );
    for (const { posted } of this.#contexts.values())
      for (const request of [...posted.from(ANY_SOURCE)] as Request[]) {
        if (this.awaitsOnlyOthers(request)) {
          posted.remove(request);
          this.fail(request, error);
        }
      }
  }

  /** Whether nothing that this rank does itself can complete a wildcard receive. */
  awaitsOnlyOthers(request: Request): boolean {
    return request.peer === ANY_SOURCE && !this.#selfInUse;
  }

  /**
   * Blocks until everything that was sent has left this rank. A send that nobody receives is given up
   * once its receiver, too, is in MPI.finalize() and nothing has moved for {@link FINALIZE_GRACE_MS}.
   * @returns how many sends were given up
   */
  drain(): number {
    const node = this.#node;
    node?.leave();
    let quiet = 0;
    while (this.#busy.length > 0 || this.#rendezvous.outgoing > 0) {
      if (this.progress() > 0) {
        quiet = 0;
        continue;
      }
      if (node === null) break;
      node.arm('block');
      if (this.progress() === 0) node.block(FINALIZE_GRACE_MS / 4);
      node.disarm();
      if (this.#someReceive(node)) quiet = 0;
      else if (++quiet > 4) break;
    }
    return this.#busy.length + this.#rendezvous.outgoing;
  }

  /** Whether one of those who still have to take something may yet post a receive. */
  #someReceive(node: Transport): boolean {
    const peers = new Set([...this.#busy, ...this.#rendezvous.receivers()]);
    for (const peer of peers)
      if (peer.rank !== this.rank && node.presence(peer.rank) === 'present') return true;
    return false;
  }

  /** Whoever still awaits an operation learns that it never ends. */
  #giveUp(): void {
    const error = new MpiError(
      'ERR_PENDING',
      `MPI.finalize() on rank ${this.rank} ended this operation, which nothing had completed`,
      { rank: this.rank },
    );
    for (const peer of this.peers) if (peer !== undefined) this.#abandon(peer, error);
    for (const { posted } of this.#contexts.values())
      for (const request of [...posted.all()] as Request[]) {
        posted.remove(request);
        this.fail(request, error);
      }
  }

  close(): void {
    this.#giveUp();
    // The fast paths find no peer any more; the slow ones say why.
    this.peers.fill(undefined);
    this.loop.close();
    this.#node?.close();
    this.#self.close();
  }
}
