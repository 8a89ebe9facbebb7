/**
 * The message engine of a rank: matches what arrives with what is asked for, sends, and waits. It
 * knows transports by their interface only, and nothing of communicators beyond their context ids.
 */
import type { Packet, PacketHandler, Transport } from '../../transports/transport.ts';
import { TOOK_OTHER } from '../../transports/transport.ts';
import { MpiError } from '../base/error.ts';
import { NO_BYTES } from '../mpi/point-to-point/buffer.ts';
import { COMPLETE, FAILED, PENDING, type Request } from '../mpi/point-to-point/request.ts';
import type { Status } from '../mpi/point-to-point/status.ts';
import { StreamedMessages } from './eager/multi.ts';
import { EventLoopProgress } from './event-loop.ts';
import { Losses } from './failures.ts';
import { Receiving } from './matching/receive.ts';
import {
  DIRECT_POLL_LOOKS,
  DIRECT_POLLS,
  ENVELOPE_BYTES,
  Peer,
  UNEXPECTED_BYTES_MAX,
  type Waiting,
} from './peer.ts';
import type { Preference, RendezvousPreference } from './rendezvous/cost-model.ts';
import { type MessageCounts, Rendezvous } from './rendezvous/rendezvous.ts';
import { EAGER, LONG, PIECE, RTS } from './wire.ts';

/** A blocked rank looks this often whether those it waits for are still there, in milliseconds. */
export const SLEEP_CHECK_MS = 500;
/** A blocked rank that polls looks at the clock once in so many polls. */
const POLLS_A_LOOK = 64;
/** MPI.finalize() gives up what nobody can receive any more after this long, in milliseconds. */
export const FINALIZE_GRACE_MS = 500;

export interface EngineOptions {
  rank: number;
  size: number;
  self: Transport;
  /** Reaches the ranks of this node; absent in a world of one. */
  node: Transport | null;
  /** Polls that find nothing before a blocked rank sleeps; 0 with more ranks than cores. */
  spinPolls: number;
  /** A blocked rank polls no longer than this, in milliseconds, however few its polls. */
  spinMs: number;
  /** DREG_SINGLE_COPY: whether a large message is fetched through the kernel. */
  singleCopy: Preference;
  /** DREG_RNDV: how a large message goes. */
  rendezvous: RendezvousPreference;
}

export class Engine implements PacketHandler {
  readonly rank: number;
  readonly size: number;
  readonly loop: EventLoopProgress;
  readonly #self: Transport;
  readonly #node: Transport | null;
  readonly #spinPolls: number;
  readonly #spinMs: number;
  readonly #directPolls: number;
  /** By world rank, from the first contact on. */
  readonly peers: (Peer | undefined)[];
  /** Receives and messages that wait for each other. */
  readonly receiving: Receiving;
  readonly losses: Losses;
  readonly #rendezvous: Rendezvous;
  readonly #streamed = new StreamedMessages(this);
  readonly #busy: Peer[] = [];
  /** Whether something was sent to ourselves. */
  selfInUse = false;

  constructor(options: EngineOptions) {
    this.rank = options.rank;
    this.size = options.size;
    this.#self = options.self;
    this.#node = options.node;
    this.#spinPolls = options.spinPolls;
    this.#spinMs = options.spinMs;
    this.#directPolls = Math.min(DIRECT_POLLS, options.spinPolls);
    this.peers = new Array(options.size).fill(undefined);
    this.#rendezvous = new Rendezvous(this, options.rendezvous, options.singleCopy);
    this.receiving = new Receiving(this, this.#rendezvous, this.#streamed);
    this.losses = new Losses(this, options.node, this.receiving, this.#rendezvous, this.#streamed);
    const spinMs = options.spinPolls > 0 ? options.spinMs : 0;
    this.loop = new EventLoopProgress(this, options.node ?? options.self, spinMs);
  }

  /** @throws MpiError ERR_UNREACHABLE, ERR_NO_MEM, or what the peer failed with */
  peer(rank: number): Peer {
    const peer = this.contact(rank);
    if (peer.error !== null) throw peer.error;
    return peer;
  }

  /** What is known of a rank, lost or not. @throws MpiError ERR_UNREACHABLE, ERR_NO_MEM */
  contact(rank: number): Peer {
    return this.peers[rank] ?? this.#connect(rank);
  }

  #connect(rank: number): Peer {
    const transport = rank === this.rank ? this.#self : this.#node;
    if (rank === this.rank) this.selfInUse = true;
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
    if (!peer.goesUnasked(bytes, length) || !peer.hasCredit(charge, UNEXPECTED_BYTES_MAX))
      return this.#rendezvous.offer(peer, request);
    if (length > peer.pieceBytes) {
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
    if (!peer.holdsControls && this.#sendNow(peer, kind, tag, extension)) return;
    if (peer.error !== null) return;
    peer.holdControl(() => this.#sendNow(peer, kind, tag, extension));
    this.markBusy(peer);
  }

  #sendNow({ channel }: Peer, kind: number, tag: number, extension: Int32Array | null): boolean {
    return extension === null
      ? channel.trySend(kind, 0, tag, NO_BYTES, 0, 0)
      : channel.trySendExtended(kind, 0, tag, extension, NO_BYTES, 0, 0);
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
      const length = channel.tryTake(EAGER, context, tag, bytes, DIRECT_POLL_LOOKS);
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

  /** Whether receives from a peer may be held back: looking at its channel alone does no harm. */
  mayDefer(peer: Peer): boolean {
    const ready = this.#directPolls > 0 && this.#busy.length === 0;
    return ready && peer.error === null && peer.rank !== this.rank;
  }

  /**
   * Takes the small message that comes next from a peer, if it is there; for a quiet context.
   * @returns its length, or a negative number
   */
  tryTake(peer: Peer, context: number, tag: number, bytes: Uint8Array): number {
    if (this.#busy.length > 0 || peer.error !== null) return TOOK_OTHER;
    const { channel } = peer;
    const length = channel.tryTake(EAGER, context, tag, bytes, 1);
    if (length >= 0) channel.returnCredit(length + ENVELOPE_BYTES);
    return length;
  }

  onPacket(rank: number, packet: Packet): void {
    const peer = this.contact(rank);
    switch (packet.kind) {
      case EAGER:
        this.receiving.onEager(peer, packet);
        break;
      case LONG:
        this.receiving.onLong(peer, packet);
        break;
      case PIECE:
        this.#streamed.onPiece(peer, packet);
        break;
      case RTS:
        this.receiving.onOffer(peer, packet);
        break;
      default:
        this.#rendezvous.onPacket(peer, packet);
    }
  }

  /** Whether a message to `rank` would leave at once, without waiting for its receive. */
  takesNow(rank: number, length: number): boolean {
    const peer = this.peer(rank);
    const charge = length + ENVELOPE_BYTES;
    return length <= peer.eagerBytes && peer.clear && peer.hasCredit(charge, UNEXPECTED_BYTES_MAX);
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
    const { deferred } = this.receiving;
    if (deferred.any) {
      const taken = deferred.progress();
      if (taken > 0 || (deferred.any && this.#busy.length === 0)) return taken;
      deferred.post();
    }
    let count = this.#node === null ? 0 : this.#node.poll(this);
    if (this.selfInUse) count += this.#self.poll(this);
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
    let until = 0;
    while (request.state === PENDING) {
      if (this.progress() > 0) {
        polls = this.#spinPolls;
        until = 0;
      } else if (request.state === PENDING) {
        if (--polls <= 0) this.#sleep(request);
        else if (polls % POLLS_A_LOOK === 0 && this.#spinMs !== Number.POSITIVE_INFINITY) {
          // Code that V8 has not compiled yet, or a device behind a system call, polls slowly.
          const now = performance.now();
          if (until === 0) until = now + this.#spinMs;
          else if (now > until) polls = 0;
        }
      }
    }
  }

  /** Before a rank sleeps: every receive is posted, and whatever comes rings the bell. */
  arm(how: 'block' | 'loop'): void {
    this.receiving.deferred.post();
    this.#node?.arm(how);
  }

  #sleep(request: Request): void {
    const node = this.#node;
    if (node === null) {
      if (this.progress() === 0 && request.state === PENDING) this.fail(request, this.#alone());
      return;
    }
    this.arm('block');
    // What was published before the bell was armed rings no bell: look once more.
    if (this.progress() === 0 && request.state === PENDING) {
      node.block(SLEEP_CHECK_MS);
      node.disarm();
      if (this.progress() === 0 && request.state === PENDING) this.losses.checkPeers();
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

  onPeerError(rank: number, cause: Error): void {
    this.losses.onPeerError(rank, cause);
  }

  /** How many large messages went each way. */
  get messages(): MessageCounts {
    return this.#rendezvous.counts;
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
      this.arm('block');
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

  close(): void {
    this.losses.giveUp();
    // The fast paths find no peer any more; the slow ones say why.
    this.peers.fill(undefined);
    this.loop.close();
    // Ends what still touches buffers, and with it the operations that wait for that.
    this.#node?.close();
    this.#self.close();
  }
}
