/**
 * A reliable connection (RC) to one peer: packets by SEND into the peer's shared receive queue, and RDMA
 * READ and WRITE. One SEND of SIGNAL_SHARE asks for a completion. Completions come in order (except those
 * of READs on iWARP), so one completion stands for all work requests before it. A work request that fails
 * completes in any case.
 */
import { constants } from 'node:os';
import {
  ATTRIBUTE,
  COMPLETION,
  FLAG,
  MASK,
  QUEUE,
  QUEUE_KIND,
  REQUEST,
  STATE,
  WORK,
} from '../../../native/verbs.ts';
import { check, MpiError } from '../../../runtime/base/error.ts';
import type { SendArea } from './areas.ts';
import {
  type LocalEnd,
  type QueueAddress,
  RECEIVING_MASK,
  SENDING_MASK,
  setReceiving,
  setSending,
} from './attributes.ts';
import type { Completer, DeviceCore } from './core.ts';
import { type LivenessTarget, TARGET_BYTES, type TargetAddress } from './liveness-target.ts';
import { errnoOf, errorOf, FLUSHED } from './status.ts';

/** RDMA READs under way at one time, from us and from the peer. */
export const READS_OUT_MAX = 4;
export const READS_IN_MAX = 16;
/** One SEND of this many asks for a completion: a share of the send queue. */
const SIGNAL_SHARE = 4;

const { EAGAIN, ECANCELED, EINVAL, EMSGSIZE, ENOMEM } = constants.errno;

export interface QueueOptions {
  /** Work requests under way at one time, at least {@link SIGNAL_SHARE}. */
  sendDepth: number;
  /** Longest packet that goes inline, in bytes. The device may take more or less: see `inlineBytes`. */
  inlineBytes: number;
}

/** What a queue pair needs to know of its device. */
export interface QueueSite extends LocalEnd {
  readonly core: DeviceCore;
  readonly messageBytesMax: number;
  readonly readsOut: number;
  /**
   * On iWARP a WRITE is not answered, and only work requests that send end in the order of their posting.
   * siw tells the end of a READ when its answer has come.
   */
  readonly iwarp: boolean;
  /** On iWARP: the memory that is read to see whether a peer answers. */
  livenessTarget(): LivenessTarget;
  joined(queue: QueuePair): void;
  left(queue: QueuePair): void;
}

/** Result of an operation: bytes moved, or a negative errno. */
export type Result = (result: number) => void;

export class QueuePair implements Completer {
  tag = 0;
  /** The queue pair's number at the device, 24 bits. */
  readonly number: number;
  /** Work requests that fit. */
  readonly depth: number;
  /** Bytes that can go inline. */
  readonly inlineBytes: number;
  /** Work requests posted and completed so far, modulo 2^32. A SEND's memory is free once completed. */
  posted = 0;
  completed = 0;
  /** Whether it cannot be used any more: after an error, `fail` or `close`. */
  failed = false;
  closed = false;
  /**
   * Called once, where it fails by itself. The error names no rank yet. Nothing can be posted after that.
   */
  onError: (error: MpiError) => void = () => {};
  /** For its user: whose connection it is. */
  owner: unknown;
  /** On iWARP: what the peer has for {@link probe}, once it is known. */
  peerTarget: TargetAddress | null = null;

  readonly #site: QueueSite;
  readonly #core: DeviceCore;
  readonly #index: number;
  /** Work requests have places in the arrays that follow, by their number modulo a power of two. */
  readonly #placeMask: number;
  readonly #results: (Result | undefined)[];
  readonly #lengths: Float64Array;
  readonly #signalEvery: number;
  #signaled = 0;
  /** By place, on iWARP: whether it is a READ, and how it has ended ({@link OVER}, a negative errno). */
  readonly #reading: Uint8Array;
  readonly #outcomes: Int32Array;
  /** READs under way. More than the peer has agreed to would stop siw's answers to the peer's READs. */
  #reads = 0;
  /** The last work request that is known to be sent. */
  #sent = -1;

  /** @throws MpiError ERR_NO_MEM where the device has no more queue pairs, or of less depth */
  constructor(site: QueueSite, options: QueueOptions) {
    this.#site = site;
    const core = site.core;
    this.#core = core;
    this.depth = Math.max(SIGNAL_SHARE, options.sendDepth);
    this.#signalEvery = Math.floor(this.depth / SIGNAL_SHARE);
    const places = 2 ** Math.ceil(Math.log2(this.depth));
    this.#placeMask = places - 1;
    this.#results = new Array(places).fill(undefined);
    this.#lengths = new Float64Array(places);
    this.#reading = new Uint8Array(places);
    this.#outcomes = new Int32Array(places);
    core.enter(this);
    const got = new Int32Array(QUEUE.words);
    const index = this.#make(options.inlineBytes, got);
    if (index < 0) core.leave(this);
    this.#index = check(index, 'ibv_create_qp', core.name);
    this.number = got[QUEUE.number];
    this.inlineBytes = got[QUEUE.inlineBytes];
    const { attributes } = core;
    attributes.fill(0);
    attributes[ATTRIBUTE.state] = STATE.init;
    attributes[ATTRIBUTE.port] = site.port;
    attributes[ATTRIBUTE.access] = REMOTE_ACCESS;
    try {
      this.#modify(MASK.state | MASK.pkeyIndex | MASK.port | MASK.access);
    } catch (error) {
      this.close();
      throw error;
    }
    site.joined(this);
  }

  /** Work requests under way. */
  get outstanding(): number {
    return (this.posted - this.completed) | 0;
  }

  /**
   * Ready to send and receive. `psn` is the first number of what we send, which the peer was told.
   * @throws MpiError ERR_SYSTEM where the address cannot be: the GID of another network, a lost device
   */
  connect(remote: QueueAddress, psn: number): void {
    const { attributes } = this.#core;
    const gid = setReceiving(attributes, remote, this.#site);
    this.#modify(RECEIVING_MASK, gid);
    setSending(attributes, psn, this.#site.readsOut);
    this.#modify(SENDING_MASK);
  }

  /**
   * Sends area.bytes[offset, offset + length) as one packet. Inline: the memory is free when this
   * returns; else once `completed` has passed the value of `posted` before the call.
   * 0; -EAGAIN: the queue is full; another negative errno: the connection cannot be used.
   */
  send(area: SendArea, offset: number, length: number, inline: boolean, signal = false): number {
    if (this.failed) return -ECANCELED;
    if (this.outstanding >= this.depth) return -EAGAIN;
    const due = ((this.posted - this.#signaled) | 0) >= this.#signalEvery - 1;
    const request = this.#core.request;
    request[REQUEST.opcode] = WORK.send;
    request[REQUEST.flags] = (signal || due ? FLAG.signaled : 0) | (inline ? FLAG.inline : 0);
    request[REQUEST.area] = area.index;
    request[REQUEST.offset] = offset;
    request[REQUEST.length] = length;
    const answer = this.#post();
    if (answer === 0 && (signal || due)) this.#signaled = this.posted;
    return answer;
  }

  /**
   * RDMA READ into, or WRITE from, [address, address + length) of a region that the device
   * registered. `done` is called from the device's `poll` (or from `close`). For memory of the
   * program called by the domain only, behind the look at user_delta that rule R2 asks for; besides
   * by `probe`, on memory that the device has mapped itself and never gives away.
   * 0; -EAGAIN: the queue is full; another negative errno: the connection cannot be used.
   */
  rdma(
    kind: 'read' | 'write',
    region: number,
    address: number,
    length: number,
    remote: number,
    remoteKey: number,
    done: Result,
  ): number {
    if (this.failed) return -ECANCELED;
    if (this.outstanding >= this.depth) return -EAGAIN;
    if (length > this.#site.messageBytesMax) return -EMSGSIZE;
    const reads = this.#site.iwarp && kind === 'read' ? 1 : 0;
    if (this.#reads + reads > this.#site.readsOut) return -EAGAIN;
    const request = this.#core.request;
    request[REQUEST.opcode] = kind === 'read' ? WORK.read : WORK.write;
    request[REQUEST.flags] = FLAG.signaled;
    request[REQUEST.area] = -1;
    request[REQUEST.region] = region;
    request[REQUEST.offset] = address;
    request[REQUEST.length] = length;
    request[REQUEST.remote] = remote;
    request[REQUEST.remoteKey] = remoteKey >>> 0;
    const place = this.posted & this.#placeMask;
    this.#results[place] = done;
    this.#lengths[place] = length;
    const answer = this.#post();
    if (answer === 0) {
      this.#signaled = this.posted;
      this.#reads += reads;
    } else this.#results[place] = undefined;
    return answer;
  }

  /** Asks whether the peer still answers: a WRITE of no bytes, on iWARP a READ of the liveness target. As `rdma`. */
  probe(done: Result): number {
    if (!this.#site.iwarp) return this.rdma('write', -1, 0, 0, 0, 0, done);
    if (this.peerTarget === null) return -EAGAIN;
    const { region, sink } = this.#site.livenessTarget();
    const { address, key } = this.peerTarget;
    return this.rdma('read', region, sink, TARGET_BYTES, address, key, done);
  }

  /**
   * Ends the connection: nothing of the peer is carried out any more. What is under way completes
   * with -ECANCELED, from the device's `poll`; `onError` is not called. On siw only by `close`: what is
   * posted once the peer has ended the connection never completes there.
   */
  fail(): void {
    if (this.closed) return;
    this.failed = true;
    if (this.#core.closed) return;
    this.#core.attributes[ATTRIBUTE.state] = STATE.error;
    // Where even this is refused the device is gone, and with it the connection.
    this.#core.native.verbsModify(
      this.#core.id,
      this.#index,
      MASK.state,
      this.#core.attributes,
      NO_GID,
    );
  }

  /**
   * Destroys the queue pair. When it returns the device touches no memory for this connection any
   * more. What was under way is told -ECANCELED before.
   */
  close(): void {
    if (this.closed) return;
    this.failed = true;
    this.closed = true;
    if (!this.#core.closed) this.#core.native.verbsQueueClose(this.#core.id, this.#index);
    this.#core.leave(this);
    this.#site.left(this);
    while (this.completed !== this.posted) this.#finish(-ECANCELED);
  }

  /** @internal The device's `poll` calls it. */
  complete(sequence: number, completion: Int32Array, at: number): void {
    // Not of what is under way: nothing that this queue pair has posted.
    if (((sequence - this.completed) | 0) < 0 || ((this.posted - sequence) | 0) <= 0) return;
    const status = completion[at + COMPLETION.status];
    const vendor = completion[at + COMPLETION.vendor];
    const error = status === 0 ? 0 : -errnoOf(status);
    if (!this.#site.iwarp) while (this.completed !== sequence && !this.closed) this.#finish(0);
    if (this.closed) return;
    const known = this.failed;
    if (status !== 0) this.failed = true;
    if (this.#site.iwarp) this.#settle(sequence, error);
    else this.#finish(error);
    if (status !== 0 && !known) this.#fell(status, vendor);
  }

  /** @internal The device tells of an event of this queue pair, or that the device is lost. */
  broke(error: MpiError): void {
    if (this.failed) return;
    this.fail();
    this.onError(error);
  }

  /** No device says how much it takes inline: half as much is asked for until it agrees. */
  #make(inlineBytes: number, got: Int32Array): number {
    const { native, id } = this.#core;
    const { connected } = QUEUE_KIND;
    for (let inline = inlineBytes; ; inline >>>= 1) {
      const answer = native.verbsQueue(id, connected, this.depth, 0, inline, this.tag, got);
      if (inline === 0 || (answer !== -EINVAL && answer !== -ENOMEM)) return answer;
    }
  }

  #fell(status: number, vendor: number): void {
    const { name } = this.#core;
    this.onError(
      status === FLUSHED
        ? new MpiError('ERR_PEER_FAILED', `${name}: the connection broke`, { errno: ECANCELED })
        : errorOf(status, name, vendor),
    );
  }

  /** One work request is over; those before it are, except READs, which have completions of their own. */
  #settle(sequence: number, error: number): void {
    const place = sequence & this.#placeMask;
    this.#outcomes[place] = error === 0 ? OVER : error;
    // Also a READ was sent after all that stand before it.
    if (((sequence - this.#sent) | 0) > 0) this.#sent = sequence;
    while (!this.closed && this.completed !== this.posted) {
      const oldest = this.completed & this.#placeMask;
      const outcome = this.#outcomes[oldest];
      const sent = this.#reading[oldest] === 0 && ((this.#sent - this.completed) | 0) >= 0;
      if (outcome === 0 && !sent) return;
      this.#outcomes[oldest] = 0;
      this.#reads -= this.#reading[oldest];
      this.#finish(Math.min(outcome, 0));
    }
  }

  /** The oldest work request is over; what its result is called with. */
  #finish(error: number): void {
    const place = this.completed & this.#placeMask;
    const result = this.#results[place];
    this.completed = (this.completed + 1) | 0;
    if (result === undefined) return;
    this.#results[place] = undefined;
    result(error === 0 ? this.#lengths[place] : error);
  }

  #post(): number {
    const { request, native, id } = this.#core;
    request[REQUEST.idLow] = this.posted >>> 0;
    request[REQUEST.idHigh] = this.tag;
    this.#reading[this.posted & this.#placeMask] = request[REQUEST.opcode] === WORK.read ? 1 : 0;
    const answer = native.verbsPost(id, this.#index);
    if (answer === 0) this.posted = (this.posted + 1) | 0;
    return answer;
  }

  #modify(mask: number, gid: Uint8Array = NO_GID): void {
    const { native, id, attributes, name } = this.#core;
    if (this.closed) throw new MpiError('ERR_CLOSED', `${name}: the queue pair is closed`);
    const answer = native.verbsModify(id, this.#index, mask, attributes, gid);
    const hint = answer === -EINVAL ? ' (an address that this device cannot reach?)' : '';
    check(answer, 'ibv_modify_qp', `${name}${hint}`);
  }
}

/** A work request has ended well. */
const OVER = 1;
/** REMOTE_WRITE and REMOTE_READ: what a region allows is decided when it is registered. */
const REMOTE_ACCESS = 2 | 4;
const NO_GID = new Uint8Array(16);
