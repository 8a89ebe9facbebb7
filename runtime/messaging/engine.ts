/**
 * The message engine of a rank: matches what arrives with what is asked for, sends, and waits. It
 * knows transports by their interface only, and nothing of communicators beyond their context ids.
 */
import type { Packet, PacketHandler, Transport } from '../../transports/transport.ts';
import { TOOK_OTHER } from '../../transports/transport.ts';
import { NO_BYTES } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';
import { trySendPart } from './body.ts';
import { BusyPeers } from './busy-peers.ts';
import { Completion } from './completion.ts';
import { PUBLISH_AFTER_MS, Standstill } from './deadlock/standstill.ts';
import { MultiPacketEager } from './eager/multi.ts';
import type { EngineOptions } from './engine-options.ts';
import { EventLoopProgress } from './event-loop.ts';
import { PeerFailures } from './failures.ts';
import { CREDIT_LIMITS, type CreditLimits, chargeOf, ONE_MESSAGE } from './flow/credit.ts';
import { CallQuestions, type ContextPacket } from './matching/call-questions.ts';
import { Receiving, type ReceivingHost } from './matching/receive.ts';
import { type Awaited, type Operation, PENDING, SYNCHRONOUS, type Taken } from './operation.ts';
import { DIRECT_POLL_LOOKS, DIRECT_POLLS, Peer } from './peer.ts';
import type { Preference } from './rendezvous/cost-model.ts';
import { Rendezvous } from './rendezvous/rendezvous.ts';
import { SchemeSelection } from './rendezvous/select.ts';
import type { MessageCounts } from './rendezvous/transfers.ts';
import { SharedOperations } from './shared-operations.ts';
import { TIMEOUT_MS_MAX, Waiting } from './waiting.ts';
import {
  ASK_CALL,
  CALL_WORD,
  CUT,
  EAGER,
  EAGER_FIRST,
  EAGER_NEXT,
  OPEN,
  OPEN_NAMED,
  RTS,
  STALLED,
  TELL_CALL,
} from './wire.ts';

/** Looks at words of this process's workers. */
export interface Poller {
  poll(): void;
}

export class Engine implements PacketHandler, ReceivingHost {
  readonly rank: number;
  readonly size: number;
  readonly loop: EventLoopProgress;
  readonly completion: Completion;
  readonly #self: Transport;
  readonly #node: Transport | null;
  readonly #directPolls: number;
  readonly #credit: readonly CreditLimits[];
  /** Each rank's node, by world rank; empty where nobody told. */
  readonly nodes: readonly string[];
  /** Whether the memory of others may be read through the kernel. */
  readonly singleCopy: Preference;
  /** By world rank, from the first contact on. */
  readonly peers: (Peer | undefined)[];
  /** Receives and messages that wait for each other. */
  readonly receiving: Receiving;
  readonly failures: PeerFailures;
  /** What ranks do in memory that they have in common. */
  readonly shared: SharedOperations;
  /** Finds out that this rank can never go on; null where it has no board to look at. */
  readonly standstill: Standstill | null;
  readonly #rendezvous: Rendezvous;
  readonly #multi: MultiPacketEager;
  readonly questions: CallQuestions;
  readonly #busy = new BusyPeers();
  readonly #pollers: Poller[] = [];
  readonly #waiting: Waiting;
  readonly #later: (() => void)[] = [];
  /** Whether something was sent to ourselves. */
  selfInUse = false;

  constructor(options: EngineOptions) {
    this.rank = options.rank;
    this.size = options.size;
    this.#self = options.self;
    this.#node = options.node;
    this.#directPolls = Math.min(DIRECT_POLLS, options.spinPolls);
    this.#credit = options.credit ?? CREDIT_LIMITS;
    this.peers = new Array(options.size).fill(undefined);
    const { rank, node, rendezvous, singleCopy } = options;
    this.singleCopy = singleCopy;
    this.nodes = options.nodes ?? [];
    const spinMs = options.spinPolls > 0 ? options.spinMs : 0;
    this.loop = new EventLoopProgress(this, node ?? options.self, spinMs);
    // What this rank sends to itself rings no doorbell of the node's.
    this.#self.watch(() => this.loop.wake());
    const completion = new Completion(rank, this.loop);
    const selection = new SchemeSelection(rank, rendezvous, singleCopy);
    this.completion = completion;
    this.#multi = new MultiPacketEager(completion, this);
    this.#rendezvous = new Rendezvous(completion, this, selection);
    this.receiving = new Receiving(this, completion, this.#rendezvous, this.#multi);
    this.questions = new CallQuestions(this, this.receiving.contexts);
    this.shared = new SharedOperations(node?.blocks ?? null, options.spinPolls > 0);
    this.failures = new PeerFailures(this, node, {
      completion,
      shared: this.shared,
      receiving: this.receiving,
      rendezvous: this.#rendezvous,
      multi: this.#multi,
    });
    const { board, deadlockMs = PUBLISH_AFTER_MS } = options;
    const looks = board && deadlockMs > 0;
    this.standstill = looks ? new Standstill(rank, board, () => this.progress(), deadlockMs) : null;
    this.#waiting = new Waiting(this, node, options);
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
      open: (context: number) => this.#open(to, context),
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
    const lost = this.completion.refusal(request, peer.rank, request.tag, 0);
    if (lost !== null) {
      flow.failed(request);
      this.completion.fail(request, lost);
      return true;
    }
    if (!this.#open(peer, request.context)) return false;
    if (!granted && !flow.hasCredit(ONE_MESSAGE)) return false;
    if ((request.kind & SYNCHRONOUS) !== 0 || !peer.goesEagerly(bytes, length))
      return this.#rendezvous.offer(peer, request);
    const charge = chargeOf(length);
    if (!granted && !flow.hasCredit(charge)) return this.#rendezvous.offer(peer, request);
    if (length > peer.packetBytes) {
      if (!this.#multi.start(peer, request)) return false;
      flow.charge(charge);
      return true;
    }
    if (!trySendPart(peer.channel, EAGER, request.context, request.tag, null, request, 0, length))
      return false;
    flow.charge(charge);
    this.completion.complete(request, peer.rank, request.tag, length);
    return true;
  }

  /** Tells a peer what a context is, before it is first used; false: no room now. */
  #open(peer: Peer, context: number): boolean {
    const pair = this.receiving.contexts.pairOf(context);
    // The world is open from the start.
    if (pair === undefined) return true;
    const rank = pair.rankOf(peer.rank);
    if (pair.to[rank] === peer) return true;
    const words = pair.keyOf(rank);
    const kind = pair.serials === null ? OPEN_NAMED : OPEN;
    if (!peer.channel.trySendExtended(kind, pair.id, 0, words, NO_BYTES, 0, 0)) return false;
    pair.to[rank] = peer;
    return true;
  }

  /** Whether messages that bear this context, or the next, wait to be sent. */
  sends(context: number): boolean {
    return this.#busy.all().some((peer) => peer.holds(context));
  }

  /** A packet without a body that belongs to a transfer; waits for room where there is none. */
  sendControl(peer: Peer, kind: number, tag: number, extension: Int32Array | null = null): void {
    peer.sendControl(kind, tag, extension);
    if (peer.holdsControls) this.markBusy(peer);
  }

  /** To a peer that is lost none goes. */
  sendAbout(rank: number, packet: ContextPacket): void {
    const peer = this.contact(rank);
    const { kind, context, tag, words, text } = packet;
    const length = Math.min(text.length, peer.channel.maxBody);
    peer.whenRoom(() => {
      if (words[CALL_WORD.answers] === 0 && !this.#open(peer, context)) return false;
      return peer.channel.trySendExtended(kind, context, tag, words, text, 0, length);
    });
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
  tryReceiveNow(peer: Peer, context: number, tag: number, bytes: unknown, status: Taken): boolean {
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
  tryTake(peer: Peer, context: number, tag: number, bytes: unknown): number {
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
        this.#multi.onNext(peer, packet);
        break;
      case CUT:
        this.#multi.onCut(peer, packet);
        break;
      case RTS:
        this.receiving.onOffer(peer, packet);
        break;
      case OPEN:
      case OPEN_NAMED:
        this.receiving.onOpen(peer, packet);
        break;
      case ASK_CALL:
      case TELL_CALL:
        this.questions.onPacket(peer, packet);
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

  // ---- progress

  /** Calls at the end of this turn of progress, or of the next: operations that have ended set others going. */
  later(task: () => void): void {
    this.#later.push(task);
    this.loop.wake();
  }

  /** Asks for what no peer tells of: words that workers write. */
  addPoller(poller: Poller): void {
    this.#pollers.push(poller);
  }

  removePoller(poller: Poller): void {
    const at = this.#pollers.indexOf(poller);
    if (at >= 0) this.#pollers.splice(at, 1);
  }

  /** Whether a rank that blocks has to look at such words now and then. */
  get polls(): boolean {
    return this.#pollers.length > 0;
  }

  /** Takes what has arrived and sends what there is room for; how many packets came. */
  progress(): number {
    const count = this.#poll();
    if (this.#later.length === 0) return count;
    const tasks = this.#later.splice(0);
    for (const task of tasks) task();
    return count + tasks.length;
  }

  #poll(): number {
    if (this.#pollers.length > 0) for (const poller of [...this.#pollers]) poller.poll();
    let count = this.shared.active.length === 0 ? 0 : this.shared.poll();
    const { prematched } = this.receiving;
    if (prematched.any) {
      const taken = prematched.progress() + count;
      if (taken > 0 || (prematched.any && this.#busy.count === 0)) return taken;
      prematched.post();
    }
    if (this.#node !== null) count += this.#node.poll(this);
    if (this.selfInUse) count += this.#self.poll(this);
    if (this.#busy.count > 0 && this.#busy.push() === 0) this.loop.untrack();
    return count;
  }

  /**
   * Blocks until a request has ended; false: the time, in milliseconds, is over before that.
   * @throws MpiError ERR_DEADLOCK where nobody can end it; it is then still under way
   */
  wait(what: Awaited, timeout = TIMEOUT_MS_MAX): boolean {
    return what.state !== PENDING || this.#waiting.wait(what, timeout);
  }

  /** Before a rank sleeps: every receive is posted, and whatever comes rings the doorbell. */
  arm(how: 'block' | 'loop'): void {
    this.receiving.prematched.post();
    this.#node?.arm(how);
    this.#self.arm(how);
  }

  onPeerError(rank: number, cause: Error): void {
    this.failures.onPeerError(rank, cause);
  }

  /** How many large messages went each way. */
  get messages(): MessageCounts {
    return this.#rendezvous.counts;
  }

  /**
   * Blocks until everything that was sent has left this rank, or nobody can receive it any more.
   * @returns how many sends were given up
   */
  drain(): number {
    return this.#waiting.drain(this.#busy, this.#rendezvous);
  }

  close(): void {
    this.failures.giveUp();
    // The fast paths find no peer any more; the slow ones say why.
    this.peers.fill(undefined);
    this.receiving.contexts.shut();
    this.loop.close();
    // Ends what still touches buffers, and with it the operations that wait for that.
    this.#node?.close();
    this.#self.close();
  }
}
