/**
 * The message engine of a rank: matches what arrives with what is asked for, sends, and waits. It
 * knows transports by their interface only, and nothing of communicators beyond their context ids.
 */
import type { Packet, PacketHandler, Transport } from '../../transports/transport.ts';
import { TOOK_OTHER } from '../../transports/transport.ts';
import { now } from '../base/clock.ts';
import { MpiError } from '../base/error.ts';

import { BusyPeers } from './busy-peers.ts';
import { MultiPacketEager } from './eager/multi.ts';
import { EventLoopProgress } from './event-loop.ts';
import { PeerFailures } from './failures.ts';
import { CREDIT_LIMITS, type CreditLimits, chargeOf, ONE_MESSAGE } from './flow/credit.ts';
import { Receiving, type ReceivingHost } from './matching/receive.ts';
import { COMPLETE, FAILED, type Operation, PENDING, type Taken } from './operation.ts';
import { DIRECT_POLL_LOOKS, DIRECT_POLLS, Peer } from './peer.ts';
import type { Preference, RendezvousPreference } from './rendezvous/cost-model.ts';
import { Rendezvous } from './rendezvous/rendezvous.ts';
import { SchemeSelection } from './rendezvous/select.ts';
import type { MessageCounts } from './rendezvous/transfers.ts';
import { CUT, EAGER, EAGER_FIRST, EAGER_NEXT, RTS, STALLED } from './wire.ts';

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
  /** Credit with each peer, by flow, if not {@link CREDIT_LIMITS}; the same for all ranks. */
  credit?: readonly CreditLimits[];
}

export class Engine implements PacketHandler, ReceivingHost {
  readonly rank: number;
  readonly size: number;
  readonly loop: EventLoopProgress;
  readonly #self: Transport;
  readonly #node: Transport | null;
  readonly #spinPolls: number;
  readonly #spinMs: number;
  readonly #directPolls: number;
  readonly #credit: readonly CreditLimits[];
  /** By world rank, from the first contact on. */
  readonly peers: (Peer | undefined)[];
  /** Receives and messages that wait for each other. */
  readonly receiving: Receiving;
  readonly failures: PeerFailures;
  readonly #rendezvous: Rendezvous;
  readonly #multi = new MultiPacketEager(this, this);
  readonly #busy = new BusyPeers();
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
    this.#credit = options.credit ?? CREDIT_LIMITS;
    this.peers = new Array(options.size).fill(undefined);
    const { rank, rendezvous, singleCopy } = options;
    this.#rendezvous = new Rendezvous(
      this,
      this,
      new SchemeSelection(rank, rendezvous, singleCopy),
    );
    this.receiving = new Receiving(this, this.#rendezvous, this.#multi);
    this.failures = new PeerFailures(
      this,
      options.node,
      this.receiving,
      this.#rendezvous,
      this.#multi,
    );
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
    const output = (to: Peer) => ({
      start: (request: Operation, granted: boolean) => this.#start(to, request, granted),
      control: (kind: number, tag: number, extension: Int32Array | null) =>
        this.sendControl(to, kind, tag, extension),
    });
    const peer = new Peer(rank, transport.connect(rank), output, this.#credit);
    this.peers[rank] = peer;
    return peer;
  }

  // ---- sending

  /** Starts a send; it completes when the buffer may be used again. */
  send(request: Operation): void {
    const peer = this.peer(request.peer);
    const flow = peer.flow(request.context);
    if (flow.clear && this.#start(peer, request, false)) return;
    flow.wait(request);
    this.markBusy(peer);
  }

  /**
   * Sends a request's message or its offer; false: no room or no credit now.
   * @param granted the receiver asked for it: no credit is needed
   */
  #start(peer: Peer, request: Operation, granted: boolean): boolean {
    const { bytes, length } = request;
    const flow = peer.flow(request.context);
    const lost = this.refusal(request, peer.rank, request.tag, 0);
    if (lost !== null) {
      flow.failed(request);
      this.fail(request, lost);
      return true;
    }
    if (!granted && !flow.hasCredit(ONE_MESSAGE)) return false;
    if (!peer.goesUnasked(bytes, length)) return this.#rendezvous.offer(peer, request);
    const charge = chargeOf(length);
    if (!granted && !flow.hasCredit(charge)) return this.#rendezvous.offer(peer, request);
    if (length > peer.pieceBytes) {
      if (!this.#multi.start(peer, request)) return false;
      flow.charge(charge);
      return true;
    }
    if (!peer.channel.trySend(EAGER, request.context, request.tag, bytes, 0, length)) return false;
    flow.charge(charge);
    this.complete(request, peer.rank, request.tag, length);
    return true;
  }

  /** A packet without a body that belongs to a transfer; waits for room where there is none. */
  sendControl(peer: Peer, kind: number, tag: number, extension: Int32Array | null = null): void {
    peer.sendControl(kind, tag, extension);
    if (peer.holdsControls) this.markBusy(peer);
  }

  /** What waits for room goes on while the event loop turns, whether or not anybody awaits it. */
  markBusy(peer: Peer): void {
    if (this.#busy.add(peer) && this.#busy.count === 1) this.loop.track();
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
    status: Taken,
  ): boolean {
    if (this.#busy.count > 0 || peer.error !== null) return false;
    const { channel } = peer;
    for (let polls = this.#directPolls; polls > 0; polls--) {
      const length = channel.tryTake(EAGER, context, tag, bytes, DIRECT_POLL_LOOKS);
      if (length >= 0) {
        channel.returnCredit(chargeOf(length));
        status.tag = channel.takenTag;
        status.byteLength = length;
        return true;
      }
      if (length === TOOK_OTHER) return false;
    }
    return false;
  }

  /** Whether receives from a peer may be held back: looking at its channel alone does no harm. */
  mayHoldBack(peer: Peer): boolean {
    const ready = this.#directPolls > 0 && this.#busy.count === 0 && !this.receiving.searches;
    return ready && peer.error === null && peer.rank !== this.rank;
  }

  /**
   * Takes the small message that comes next from a peer, if it is there; for a quiet context.
   * @returns its length, or a negative number
   */
  tryTake(peer: Peer, context: number, tag: number, bytes: Uint8Array): number {
    if (this.#busy.count > 0 || peer.error !== null) return TOOK_OTHER;
    const { channel } = peer;
    const length = channel.tryTake(EAGER, context, tag, bytes, 1);
    if (length >= 0) channel.returnCredit(chargeOf(length));
    return length;
  }

  onPacket(rank: number, packet: Packet): void {
    const peer = this.contact(rank);
    switch (packet.kind) {
      case EAGER:
        this.receiving.onEager(peer, packet);
        break;
      case EAGER_FIRST:
        this.receiving.onEagerFirst(peer, packet);
        break;
      case EAGER_NEXT:
        this.#multi.onPiece(peer, packet);
        break;
      case CUT:
        this.#multi.onCut(peer, packet);
        break;
      case RTS:
        this.receiving.onOffer(peer, packet);
        break;
      default:
        if (packet.kind < STALLED) this.#rendezvous.onPacket(peer, packet);
        else this.receiving.onFlow(peer, packet);
    }
  }

  /** Whether a message to `rank` would leave at once, without waiting for its receive. */
  takesNow(rank: number, length: number): boolean {
    const peer = this.peer(rank);
    const { program } = peer;
    return length <= peer.eagerBytes && program.clear && program.hasCredit(chargeOf(length));
  }

  /** Why `request` cannot have a message of `length` bytes; null where it can. */
  refusal(request: Operation, peer: number, tag: number, length: number): MpiError | null {
    if (!request.intact) {
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

  complete(request: Operation, peer: number, tag: number, length: number): void {
    request.peer = peer;
    request.tag = tag;
    request.matchedLength = length;
    this.#settle(request, COMPLETE);
  }

  fail(request: Operation, error: MpiError): void {
    if (request.state !== PENDING) return;
    request.error = error;
    this.#settle(request, FAILED);
  }

  #settle(request: Operation, state: number): void {
    request.state = state;
    if (request.tracked) this.loop.untrack();
    const { settled } = request;
    request.settled = null;
    settled?.();
  }

  /** A nonblocking operation goes on while the event loop turns. */
  track(request: Operation): void {
    request.tracked = true;
    this.loop.track();
  }

  // ---- progress

  /** Takes what has arrived and sends what there is room for; how many packets came. */
  progress(): number {
    const { prematched } = this.receiving;
    if (prematched.any) {
      const taken = prematched.progress();
      if (taken > 0 || (prematched.any && this.#busy.count === 0)) return taken;
      prematched.post();
    }
    let count = this.#node === null ? 0 : this.#node.poll(this);
    if (this.selfInUse) count += this.#self.poll(this);
    if (this.#busy.count > 0 && this.#busy.push() === 0) this.loop.untrack();
    return count;
  }

  /**
   * Blocks until a request has ended: polls for a bounded time, then sleeps until a peer rings.
   * @throws MpiError ERR_DEADLOCK where nobody can end it; it is then still under way
   */
  wait(request: Operation): void {
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
          const time = now();
          if (until === 0) until = time + this.#spinMs;
          else if (time > until) polls = 0;
        }
      }
    }
  }

  /** Before a rank sleeps: every receive is posted, and whatever comes rings the bell. */
  arm(how: 'block' | 'loop'): void {
    this.receiving.prematched.post();
    this.#node?.arm(how);
  }

  #sleep(request: Operation): void {
    const node = this.#node;
    const alone = node === null || request.peer === this.rank;
    let quiet = false;
    this.arm('block');
    try {
      // What was published before the bell was armed rings no bell: look once more.
      quiet = this.progress() === 0 && request.state === PENDING;
      if (quiet && !alone) node.block(SLEEP_CHECK_MS);
    } finally {
      node?.disarm();
      this.loop.wake();
    }
    if (!quiet || this.progress() > 0 || request.state !== PENDING) return;
    if (alone) throw this.#deadlock(request);
    this.failures.checkPeers();
  }

  /** A rank that blocks can neither send to itself nor receive from itself any more. */
  #deadlock({ isSend, peer, tag }: Operation): MpiError {
    const what = isSend
      ? 'waits for its message to itself to be received: post the receive first (irecv)'
      : 'waits for a message that nobody can send any more: send it first (isend), or await the receive';
    return new MpiError('ERR_DEADLOCK', `rank ${this.rank} ${what}`, {
      rank: this.rank,
      peer,
      tag,
    });
  }

  onPeerError(rank: number, cause: Error): void {
    this.failures.onPeerError(rank, cause);
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
    while (this.#busy.count > 0 || this.#rendezvous.outgoing > 0) {
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
    return this.#busy.count + this.#rendezvous.outgoing;
  }

  /** Whether one of those who still have to take something may yet post a receive. */
  #someReceive(node: Transport): boolean {
    const peers = new Set([...this.#busy.all(), ...this.#rendezvous.receivers()]);
    for (const peer of peers)
      if (peer.rank !== this.rank && node.presence(peer.rank) === 'present') return true;
    return false;
  }

  close(): void {
    this.failures.giveUp();
    // The fast paths find no peer any more; the slow ones say why.
    this.peers.fill(undefined);
    this.loop.close();
    // Ends what still touches buffers, and with it the operations that wait for that.
    this.#node?.close();
    this.#self.close();
  }
}
