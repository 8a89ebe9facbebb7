/**
 * An open RDMA device: one protection domain, one completion queue, one shared receive queue for all peers.
 * It moves packets and memory, and does not know what they mean.
 */
import {
  COMPLETION,
  COMPLETION_WORDS,
  EVENT,
  LIMIT,
  PORT,
  PORT_ACTIVE,
  RELAXED_ORDERING,
  type VerbsAddon,
  verbs,
} from '../../../native/verbs.ts';
import { check, MpiError } from '../../../runtime/base/error.ts';
import { DATAGRAM_RECEIVES, DATAGRAM_SENDS, DatagramQueue } from '../connect/datagram.ts';
import { RECEIVE_SLOTS_MAX, ReceiveQueue, SendArea } from './areas.ts';
import { DeviceCore } from './core.ts';
import { LivenessTarget } from './liveness-target.ts';
import {
  type QueueOptions,
  QueuePair,
  type QueueSite,
  READS_IN_MAX,
  READS_OUT_MAX,
} from './queue-pair.ts';
import {
  chooseGid,
  choosePort,
  type Link,
  type PortEntry,
  parseDevice,
  parseGidIndex,
} from './select.ts';
import { errorOf } from './status.ts';
import { COMPLETIONS_FIRST, COMPLETIONS_IWARP, openPorts } from './survey.ts';
import { gidsOf, isSoftware } from './sysfs.ts';

export interface DeviceOptions {
  /** name[:port]. Default: DREG_VERBS_DEVICE, else the first port that is active. */
  device?: string;
  /** Default: DREG_VERBS_GID_INDEX, else RoCE v2 and IPv4 first. */
  gidIndex?: number;
}

export interface DeviceEvent {
  /**
   * 'fatal': the device is lost; 'port': its port is down; 'active': it works again; 'queue': a queue
   * pair is broken; 'other': nothing to do.
   */
  kind: 'fatal' | 'port' | 'active' | 'queue' | 'other';
  error: MpiError | null;
  queue: QueuePair | null;
}

/** Takes a packet that came into a slot of the receive queue. `ReceiveQueue.post` gives the slot back. */
export type OnReceive = (queue: QueuePair, slot: number, bytes: number) => void;

export class VerbsDevice {
  readonly name: string;
  readonly port: number;
  readonly link: Link;
  readonly lid: number;
  /** 32 hex digits. */
  readonly gid: string;
  readonly gidIndex: number;
  /** Bytes of a packet on the wire. */
  readonly mtu: number;
  /** Whether it is made of software (rxe, siw), and so works only while it gets a processor. */
  readonly software: boolean;
  readonly relaxedOrdering: boolean;
  /** Number of registrations at most, and bytes of each. */
  readonly regionsMax: number;
  readonly regionBytesMax: number;
  /** Bytes of one packet or RDMA operation. */
  readonly messageBytesMax: number;
  /** RDMA READs of a connection under way at one time, from us and from the peer. */
  readonly reads: { readonly out: number; readonly in: number };
  /** Readable after `arm` once a completion came. */
  readonly wakeFd: number;
  /** Readable while `takeEvent` has an event. */
  readonly asyncFd: number;
  /** Whether the device still works; false after a fatal event. */
  alive = true;
  onReceive: OnReceive = (_queue, slot) => this.#receives?.post(slot);

  readonly #native: VerbsAddon = verbs();
  readonly #core: DeviceCore;
  readonly #limits = new Float64Array(LIMIT.words);
  readonly #site: QueueSite;
  /**
   * By the device's number: the owner of a packet that a completion of the shared receive queue tells of.
   */
  readonly #queues = new Map<number, QueuePair>();
  readonly #event = new Int32Array(2);
  #receives: ReceiveQueue | undefined;
  #target: LivenessTarget | undefined;
  /** Entries of the completion queue, and how many may be needed at one time. */
  #room: number;
  #need = 0;
  /** Completions that were taken and whose owners were not told yet. */
  #next = 0;
  #count = 0;

  /**
   * @throws MpiError ERR_UNSUPPORTED (no library, no device, no such port: says which), ERR_ARG (a
   * malformed DREG_VERBS_DEVICE or DREG_VERBS_GID_INDEX), ERR_SYSTEM
   */
  static open(options: DeviceOptions = {}): VerbsDevice {
    const wanted = parseDevice(options.device ?? process.env.DREG_VERBS_DEVICE);
    const gidIndex = options.gidIndex ?? parseGidIndex(process.env.DREG_VERBS_GID_INDEX);
    const missing = verbs().verbsLoad();
    if (missing !== '') throw new MpiError('ERR_UNSUPPORTED', missing);
    const opened = openPorts(wanted.device);
    try {
      const entry = choosePort(
        opened.flatMap((device) => device.ports),
        wanted,
      );
      entry.gids = gidsOf(entry.device, entry.port, gidIndex);
      const chosen = opened.find(({ name }) => name === entry.device)!;
      const device = new VerbsDevice(chosen.id, entry, chooseGid(entry, gidIndex));
      opened.splice(opened.indexOf(chosen), 1);
      return device;
    } finally {
      for (const { id } of opened) verbs().verbsClose(id);
    }
  }

  private constructor(id: number, entry: PortEntry, gid: { index: number; gid: string }) {
    this.name = entry.device;
    this.port = entry.port;
    this.link = entry.link;
    this.lid = entry.lid;
    this.mtu = entry.mtu;
    this.messageBytesMax = entry.messageBytes;
    this.gid = gid.gid;
    this.gidIndex = gid.index;
    this.software = isSoftware(entry.device);
    const core = new DeviceCore(entry.device, id);
    this.#core = core;
    const limits = this.#limits;
    check(this.#native.verbsLimits(id, limits), 'ibv_query_device', this.name);
    this.relaxedOrdering = limits[LIMIT.relaxedOrdering] !== 0;
    this.regionsMax = limits[LIMIT.regions];
    this.regionBytesMax = limits[LIMIT.regionBytes];
    this.reads = {
      out: Math.min(this.link === 'iwarp' ? READS_IN_MAX : READS_OUT_MAX, limits[LIMIT.readsOut]),
      in: Math.min(READS_IN_MAX, limits[LIMIT.readsIn]),
    };
    this.#room = this.link === 'iwarp' ? COMPLETIONS_IWARP : COMPLETIONS_FIRST;
    this.wakeFd = check(this.#native.verbsWakeFd(id), 'ibv_create_comp_channel', this.name);
    this.asyncFd = check(this.#native.verbsAsyncFd(id), 'ibv_open_device', this.name);
    this.#site = {
      core,
      port: this.port,
      gidIndex: this.gidIndex,
      mtu: this.mtu,
      messageBytesMax: this.messageBytesMax,
      // Ethernet has no LIDs; without one a port of InfiniBand is reached by GID as well.
      global: this.link === 'ethernet' || this.lid === 0,
      readsOut: this.reads.out,
      readsIn: this.reads.in,
      iwarp: this.link === 'iwarp',
      livenessTarget: () => this.livenessTarget(),
      joined: (queue) => this.#queues.set(queue.number, queue),
      left: (queue) => this.#left(queue),
    };
  }

  /** Memory that peers on iWARP read to see whether this process is there. @throws MpiError ERR_SYSTEM */
  livenessTarget(): LivenessTarget {
    this.#target ??= new LivenessTarget(this);
    return this.#target;
  }

  /** Slots that a receive queue can have at most. */
  get receivesMax(): number {
    return Math.min(RECEIVE_SLOTS_MAX, this.#limits[LIMIT.receives]);
  }

  /** Connected queue pairs. */
  get queues(): number {
    return this.#queues.size;
  }

  /** The one shared receive queue, with no slots yet. @throws MpiError ERR_NO_MEM, ERR_ARG for a second one */
  openReceiveQueue(slotBytes: number, slotsMax = this.receivesMax): ReceiveQueue {
    if (this.#receives) throw new MpiError('ERR_ARG', `${this.name} has its receive queue already`);
    this.#reserve(slotsMax);
    this.#receives = new ReceiveQueue(this.#core, slotBytes, slotsMax);
    return this.#receives;
  }

  /** Registered memory for packets. @throws MpiError ERR_NO_MEM */
  openSendArea(bytes: number): SendArea {
    return new SendArea(this.#core, bytes);
  }

  /** An RC queue pair, to be connected; receives come through the shared queue. @throws MpiError ERR_NO_MEM, ERR_ARG */
  createQueuePair(options: QueueOptions): QueuePair {
    if (!this.#receives)
      throw new MpiError('ERR_ARG', `${this.name}: the receive queue comes before queue pairs`);
    const most = this.#limits[LIMIT.sendDepth];
    if (!(options.sendDepth >= 1 && options.sendDepth <= most))
      throw new MpiError(
        'ERR_ARG',
        `a send queue of ${options.sendDepth} entries; it may have 1..${most}`,
      );
    const queue = new QueuePair(this.#site, options);
    try {
      this.#reserve(queue.depth);
    } catch (error) {
      queue.close();
      throw error;
    }
    return queue;
  }

  /** @throws MpiError ERR_UNSUPPORTED on iWARP */
  createDatagramQueue(): DatagramQueue {
    if (this.link === 'iwarp')
      throw new MpiError('ERR_UNSUPPORTED', `${this.name} is iWARP, which has no datagrams`);
    this.#reserve(DATAGRAM_RECEIVES + DATAGRAM_SENDS);
    return new DatagramQueue(this.#site);
  }

  /**
   * Posts receives that were given back, and delivers completions: packets to `onReceive`, operations to
   * their `done`, failures to `onError`. It makes one call of the addon, which looks for completions up to
   * `looks` times.
   * @returns how many completions there were
   */
  poll(looks = 1): number {
    if (this.#next === this.#count) {
      this.#next = 0;
      this.#count = 0;
      if (this.#core.closed) return 0;
      const count = this.#native.verbsPoll(this.#core.id, looks);
      if (count < 0) this.#lost(new MpiError('ERR_SYSTEM', `${this.name}: ibv_poll_cq failed`));
      else this.#count = count;
    }
    // A handler that throws, or that polls itself, leaves the other completions to the next round.
    let told = 0;
    while (this.#next < this.#count) {
      const at = this.#next++ * COMPLETION_WORDS;
      told += 1;
      this.#tell(at);
    }
    return told;
  }

  /** The next completion makes `wakeFd` readable. Poll once more before sleeping. */
  arm(): void {
    check(this.#native.verbsArm(this.#core.id), 'ibv_req_notify_cq', this.name);
  }

  /** Reads `wakeFd` until it is not readable any more. */
  disarm(): void {
    if (!this.#core.closed) this.#native.verbsDisarm(this.#core.id);
  }

  /** Takes an event of the device; null: there is none. Fails the queue pairs that it concerns. */
  takeEvent(): DeviceEvent | null {
    if (this.#core.closed) return null;
    const event = this.#event;
    if (this.#native.verbsEvent(this.#core.id, event) !== 1) return null;
    const [type, tag] = event;
    const name = this.name;
    if (type === EVENT.deviceFatal || type === EVENT.completionQueueError) {
      const error = new MpiError('ERR_PEER_FAILED', `${name}: the device failed or was removed`);
      this.#lost(error);
      return { kind: 'fatal', error, queue: null };
    }
    if (type === EVENT.portError || type === EVENT.portActive) return this.#portEvent();
    const completer = tag === -1 ? undefined : this.#core.find(tag);
    if (QUEUE_EVENTS.has(type) && completer instanceof QueuePair) {
      const text = `${name}: the connection broke (the peer used memory that is not exported to it, or the device failed)`;
      const error = new MpiError('ERR_PEER_FAILED', text);
      completer.broke(error);
      return { kind: 'queue', error, queue: completer };
    }
    return { kind: 'other', error: null, queue: null };
  }

  /** The event does not say which port it is about, so this rank looks at its own. */
  #portEvent(): DeviceEvent {
    const state = new Int32Array(PORT.words);
    const answer = this.#native.verbsPort(this.#core.id, this.port, state);
    if (answer >= 0 && state[PORT.state] === PORT_ACTIVE)
      return { kind: 'active', error: null, queue: null };
    const error = new MpiError('ERR_PEER_FAILED', `${this.name}: port ${this.port} is down`);
    return { kind: 'port', error, queue: null };
  }

  /** Registers memory of the process: a number >= 0, or a negative errno. `access` of runtime/memory's ACCESS. */
  register(address: number, length: number, access: number): number {
    const flags = this.relaxedOrdering ? access | RELAXED_ORDERING : access;
    return this.#native.verbsRegister(this.#core.id, address, length, flags);
  }

  /** 0 or a negative errno. */
  deregister(region: number): number {
    if (this.#core.closed) return 0;
    return this.#native.verbsDeregister(this.#core.id, region);
  }

  /** The key under which a peer reaches a region. */
  rkeyOf(region: number): number {
    return this.#native.verbsRemoteKey(this.#core.id, region);
  }

  /** Closes the queue pairs, and everything else of the device. Registrations end with it. */
  close(): void {
    if (this.#core.closed) return;
    for (const completer of this.#core.all())
      if (completer instanceof QueuePair || completer instanceof DatagramQueue) completer.close();
    this.#core.closed = true;
    this.alive = false;
    this.#native.verbsClose(this.#core.id);
  }

  #tell(at: number): void {
    const { completions } = this.#core;
    const tag = completions[at + COMPLETION.idHigh];
    if (tag !== 0) {
      this.#core.find(tag)?.complete(completions[at], completions, at);
      return;
    }
    const slot = completions[at + COMPLETION.idLow];
    const queue = this.#queues.get(completions[at + COMPLETION.queueNumber]);
    const status = completions[at + COMPLETION.status];
    if (status === 0 && queue && !queue.failed) {
      this.onReceive(queue, slot, completions[at + COMPLETION.bytes]);
      return;
    }
    this.#receives?.post(slot);
    if (status !== 0) queue?.broke(errorOf(status, this.name, completions[at + COMPLETION.vendor]));
  }

  /**
   * Makes room for completions. A completion that does not fit into the queue is lost, and the queue with
   * it.
   */
  #reserve(completions: number): void {
    this.#need += completions;
    if (this.#need <= this.#room) return;
    const most = this.#limits[LIMIT.completions];
    const room = Math.min(most, Math.max(this.#need, 2 * this.#room));
    if (room < this.#need)
      throw new MpiError(
        'ERR_NO_MEM',
        `${this.name} has room for ${most} completions only: connect fewer peers`,
      );
    check(this.#native.verbsResize(this.#core.id, room), 'ibv_resize_cq', this.name);
    this.#room = room;
  }

  #left(queue: QueuePair): void {
    this.#need -= queue.depth;
    if (this.#queues.get(queue.number) === queue) this.#queues.delete(queue.number);
  }

  #lost(error: MpiError): void {
    this.alive = false;
    for (const completer of this.#core.all())
      if (completer instanceof QueuePair) completer.broke(error);
  }
}

const QUEUE_EVENTS = new Set<number>([
  EVENT.queueFatal,
  EVENT.queueRequestError,
  EVENT.queueAccessError,
  EVENT.pathMigrationError,
]);
