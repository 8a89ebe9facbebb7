/** Ranks that an RDMA device reaches (docs/internals/verbs.md). */
import { wakeAddon } from '../../native/wake.ts';
import { now } from '../../runtime/base/clock.ts';
import { MpiError } from '../../runtime/base/error.ts';
import { Queue } from '../../runtime/base/queue.ts';
import type { PacketHandler, Transport } from '../transport.ts';
import { ConnectionManager } from './connect/connections.ts';
import { Handshake, HELLO_NOTE_MS, type Host } from './connect/handshake.ts';
import { type IwarpHost, IwarpMeeting } from './connect/iwarp.ts';
import { type ConnectionSetup, formatAddress, parseAddress } from './connect/setup.ts';
import { Doorbell } from './device/doorbell.ts';
import { YieldPolicy } from './device/yield-policy.ts';
import { EVENTS_MS, HEARTBEAT_MS, Liveness } from './liveness.ts';
import {
  INLINE_BYTES,
  SEND_DEPTH,
  type Shared,
  SPARE_SLOTS,
  VerbsChannel,
} from './packets/channel.ts';
import { SendSlots } from './packets/send-slots.ts';
import { CONTROL, SLOTS_PER_PEER, VERBS_SLOT_BYTES } from './packets/wire.ts';
import type { LeasedMemory, PacketDevice, PacketQueue, PacketSlots } from './ports.ts';
import {
  type MemoryRoom,
  OneSided,
  type RdmaOperation,
  VERBS_SEGMENT_BYTES,
} from './rdma/one-sided.ts';

/** Packets that one poll takes from one peer before it looks at the next. */
const BURST = 64;
/** Milliseconds for which close() waits until the peers' devices have this rank's last packet. */
export const LEFT_MS = 1000;
/** Milliseconds between two questions to the launcher whether a peer that does not answer has left. */
export const PRESENCE_MS = 1000;
/** Polls between two looks at the clock. */
export const CLOCK_POLLS = 16384;
/** Polls in vain before a peer is told that its credit came, where no other packet says so. */
const ACKNOWLEDGE_POLLS = 64;

/** The job, as far as the transport needs it. */
export interface VerbsJob {
  readonly rank: number;
  readonly size: number;
  readonly jobId: string;
  /** The launcher's key-value space. `get` answers undefined where there is no such key. */
  put(key: string, value: string): void;
  get(key: string): string | undefined;
  /** After it every rank sees the values that all ranks have put. */
  fence(): void;
}

export class VerbsTransport implements Transport, Host, IwarpHost {
  readonly name = 'verbs';
  readonly rank: number;
  readonly size: number;
  readonly jobId: string;
  /** The pinned-memory manager; without one nothing is exported, and messages are copied. */
  memory: LeasedMemory | null = null;

  readonly #device: PacketDevice;
  readonly #job: VerbsJob;
  readonly #handshake: ConnectionSetup;
  readonly #bell: Doorbell;
  readonly #liveness: Liveness;
  readonly #sends: SendSlots;
  readonly #receives: PacketSlots;
  readonly #channels = new Map<number, VerbsChannel>();
  readonly #shared: Shared;
  readonly #room: MemoryRoom;
  /** Channels with packets to deliver. */
  readonly #waiting = new Queue<VerbsChannel>();
  readonly #broken: VerbsChannel[] = [];
  /** Channels whose peer waits to hear that its credit came. */
  readonly #owing = new Set<VerbsChannel>();
  readonly #finished: RdmaOperation[] = [];
  readonly #crowded = new Set<OneSided>();
  /** Receive slots that are promised to no peer. */
  #spare = 0;
  #emptyPolls = 0;
  /** For a device made of software. */
  readonly #courtesy: YieldPolicy | null;
  /** By peer that is not connected: when the launcher was asked, and its answer. */
  readonly #asked = new Map<number, { at: number; left: boolean }>();
  #closed = false;
  /** Whether the user was told of a peer's silence. */
  #noted = false;

  /** Tells the others where this rank is; returns when all have. @throws MpiError ERR_NO_MEM, ERR_SYSTEM */
  constructor(device: PacketDevice, job: VerbsJob) {
    this.#device = device;
    this.#courtesy = device.software ? new YieldPolicy() : null;
    this.#job = job;
    this.#liveness = new Liveness(device, this.#channels, now);
    this.rank = job.rank;
    this.size = job.size;
    this.jobId = job.jobId;
    this.#receives = device.openReceiveQueue(VERBS_SLOT_BYTES);
    this.#sends = new SendSlots(device);
    const { bytes } = this.#receives;
    this.#shared = this.#sharedOf(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
    this.#room = this.#roomOf();
    device.onReceive = (queue, slot, count) => this.#onReceive(queue, slot, count);
    const handshake: ConnectionSetup = this.#openMeeting();
    this.#handshake = handshake;
    const { fd } = handshake;
    const news = fd === undefined ? null : { fd, take: () => handshake.poll?.(true) };
    this.#bell = new Doorbell(device, news);
    job.put(addressKey(this.rank), formatAddress(handshake.address));
    job.fence();
  }

  // ---- connections

  #openMeeting(): ConnectionSetup {
    const device = this.#device;
    if (device.link !== 'iwarp') return new Handshake(device, this, now) as ConnectionSetup;
    const connections = new ConnectionManager(device.name, device.reads ?? { out: 1, in: 1 });
    return new IwarpMeeting(device, this, connections, now) as ConnectionSetup;
  }

  connect(peer: number): VerbsChannel {
    const known = this.#channels.get(peer);
    if (known) return known;
    if (!(peer >= 0 && peer < this.size) || peer === this.rank)
      throw new MpiError('ERR_UNREACHABLE', `rank ${peer} is not reached by RDMA`, { peer });
    const address = this.#addressOf(peer);
    this.#provide();
    const queue = this.#createQueuePair();
    this.#spare -= SLOTS_PER_PEER;
    const memory = new OneSided(peer, queue, this.#room);
    const channel = new VerbsChannel(peer, queue, this.#shared, memory);
    this.#channels.set(peer, channel);
    this.#handshake.begin(peer, queue, address);
    return channel;
  }

  /** Slots for one more peer. */
  #provide(): void {
    if (this.#receives.slots === 0) this.#receives.grow(SPARE_SLOTS);
    if (this.#spare >= SLOTS_PER_PEER) return;
    this.#receives.grow(SLOTS_PER_PEER);
    this.#spare += SLOTS_PER_PEER;
  }

  #createQueuePair(): PacketQueue {
    return this.#device.createQueuePair({ sendDepth: SEND_DEPTH, inlineBytes: INLINE_BYTES });
  }

  #addressOf(peer: number) {
    return parseAddress(this.#job.get(addressKey(peer)) ?? '', this.#device.link, peer);
  }

  invite(peer: number): void {
    if (!this.#closed) this.connect(peer);
  }

  ready(peer: number): void {
    const channel = this.#channels.get(peer);
    if (channel?.state !== 'meeting') return;
    channel.state = 'ready';
    // On iWARP the rank that called sends first: the other one waits for it.
    if (this.#device.link === 'iwarp' && this.rank < peer) channel.control(CONTROL.acknowledge);
  }

  renew(peer: number): PacketQueue {
    const channel = this.#channels.get(peer) as VerbsChannel;
    const old = channel.queue;
    channel.adopt(this.#createQueuePair());
    old.onError = () => {};
    old.close();
    return channel.queue;
  }

  failed(peer: number, error: MpiError): void {
    this.#channels.get(peer)?.fail(error);
  }

  /**
   * The peer may be computing, so this is no error. And a network that swallows datagrams says nothing.
   */
  silent(peer: number): void {
    if (this.#noted) return;
    this.#noted = true;
    process.stderr.write(
      `dreg-mpi: rank ${this.rank} waits for rank ${peer}, which has not answered over RDMA for ${HELLO_NOTE_MS / 1000} s. Where it is not busy with something else, look for a firewall (UDP port 4791), another MTU or a GID of another network: docs/operating/rdma.md\n`,
    );
  }

  #sharedOf(words: Int32Array): Shared {
    const transport = this;
    return {
      rank: this.rank,
      sends: this.#sends,
      receives: this.#receives,
      words,
      segmentBytes: Math.min(VERBS_SEGMENT_BYTES, this.#device.messageBytesMax),
      pump: (looks) => this.#pump(looks),
      get news() {
        return transport.#finished.length > 0 || transport.#broken.length > 0;
      },
      waiting: (channel) => {
        channel.listed = true;
        this.#waiting.push(channel);
      },
      broken: (channel) => this.#broken.push(channel),
      owing: (channel) => {
        this.#owing.add(channel);
      },
      heard: (peer) => this.#handshake.heard(peer),
    };
  }

  #roomOf(): MemoryRoom {
    const transport = this;
    return {
      get leases() {
        return transport.memory;
      },
      finished: (operation) => this.#finished.push(operation),
      waiting: (operations) => {
        this.#crowded.add(operations);
      },
    };
  }

  // ---- progress

  poll(handler: PacketHandler): number {
    this.#pump();
    let count = 0;
    if (this.#waiting.length > 0) count = this.#deliver(handler);
    if (this.#finished.length > 0) this.#tellFinished();
    if (this.#crowded.size > 0) this.#proceed();
    if (this.#broken.length > 0) this.#endBroken(handler);
    if (this.#handshake.pending) this.#handshake.progress();
    return count;
  }

  /** Takes completions. A device made of software gets the processor when there are none. */
  #pump(looks = 1): number {
    const count = this.#device.poll(looks);
    this.#handshake.poll?.(false);
    if (count > 0) {
      this.#emptyPolls = 0;
      this.#courtesy?.found();
      return count;
    }
    this.#emptyPolls += 1;
    if (this.#emptyPolls % ACKNOWLEDGE_POLLS === 0 && this.#owing.size > 0) this.#acknowledge();
    if (this.#courtesy?.isDue()) wakeAddon().yieldCpu();
    if (this.#emptyPolls % CLOCK_POLLS === 0) this.#liveness.look(EVENTS_MS);
    return 0;
  }

  /** A rank that polls and never sleeps keeps no peer from giving credit. */
  #acknowledge(): void {
    for (const channel of this.#owing) {
      channel.settle(true);
      if (channel.state !== 'ready' || !channel.window.owesAcknowledge) this.#owing.delete(channel);
    }
  }

  #onReceive(queue: PacketQueue, slot: number, bytes: number): void {
    const { owner } = queue;
    if (owner instanceof VerbsChannel && owner.state !== 'closed') owner.arrived(slot, bytes);
    else this.#receives.post(slot);
  }

  #deliver(handler: PacketHandler): number {
    let count = 0;
    for (let i = this.#waiting.length; i > 0; i--) {
      const channel = this.#waiting.shift() as VerbsChannel;
      channel.listed = false;
      count += this.#drain(channel, handler);
      if (channel.any && !channel.listed) this.#shared.waiting(channel);
    }
    return count;
  }

  #drain(channel: VerbsChannel, handler: PacketHandler): number {
    let count = 0;
    try {
      while (count < BURST && channel.any) {
        channel.open();
        handler.onPacket(channel.peer, channel);
        channel.advance();
        count++;
      }
      channel.settle(false);
    } catch (error) {
      channel.spoil(error as Error);
    }
    return count;
  }

  #tellFinished(): void {
    for (const operation of this.#finished.splice(0)) operation.tell();
  }

  #proceed(): void {
    for (const operations of this.#crowded)
      if (operations.proceed()) this.#crowded.delete(operations);
  }

  /** Closes connections that broke or that the peer ended, once all earlier packets are delivered. */
  #endBroken(handler: PacketHandler): void {
    for (const channel of this.#broken.splice(0)) {
      if (channel.any) {
        this.#broken.push(channel);
        continue;
      }
      const { error } = channel;
      this.#end(channel);
      if (error !== null) handler.onPeerError(channel.peer, error);
    }
  }

  /** Destroys the queue pair, and tells the operations that were under way. */
  #end(channel: VerbsChannel): void {
    this.#handshake.end(channel.peer);
    channel.close();
    this.#spare += SLOTS_PER_PEER;
    this.#tellFinished();
  }

  // ---- sleeping

  arm(how: 'block' | 'loop'): void {
    void how;
    this.#liveness.look(0);
    for (const channel of this.#channels.values()) channel.settle(true);
    this.#receives.flush();
    const due = this.#handshake.pending ? this.#handshake.dueIn : HEARTBEAT_MS;
    this.#bell.arm(Math.min(HEARTBEAT_MS, due));
  }

  disarm(): void {
    this.#bell.disarm();
  }

  block(milliseconds: number): void {
    this.#bell.block(milliseconds);
  }

  get wakeFd(): number {
    return this.#bell.fd;
  }

  watch(onBell: () => void): { ref(): void; unref(): void; close(): void } {
    return this.#bell.watch(onBell);
  }

  // ---- leaving

  presence(peer: number): 'absent' | 'present' | 'leaving' | 'left' {
    const channel = this.#channels.get(peer);
    if (channel?.state === 'left') return 'left';
    if (channel?.leaving) return 'leaving';
    if (channel?.state === 'ready') return 'present';
    return this.#hasLeft(peer) ? 'left' : 'present';
  }

  /** The launcher knows whether a rank that is not connected has left. */
  #hasLeft(peer: number): boolean {
    const time = now();
    const known = this.#asked.get(peer);
    if (known && (known.left || time - known.at < PRESENCE_MS)) return known.left;
    const left = this.#job.get(leftKey(peer)) !== undefined;
    this.#asked.set(peer, { at: time, left });
    return left;
  }

  leave(): void {
    for (const channel of this.#channels.values()) channel.control(CONTROL.leaving);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#job.put(leftKey(this.rank), '1');
    this.#sayLeft();
    this.#handshake.close();
    for (const channel of this.#channels.values()) {
      channel.close();
      channel.drop();
    }
    this.#tellFinished();
    this.#bell.close();
  }

  /**
   * Waits until the peers' devices have this rank's last packet, which stands for all packets before it.
   */
  #sayLeft(): void {
    const open: { channel: VerbsChannel; number: number }[] = [];
    for (const channel of this.#channels.values()) {
      let number = channel.queue.posted;
      if (!channel.control(CONTROL.left)) continue;
      // On iWARP a packet has completed when it is on its way; the answer to a READ comes after it.
      const last = channel.queue.posted;
      if (this.#device.link === 'iwarp' && channel.queue.probe(() => {}) === 0) number = last;
      open.push({ channel, number });
    }
    const end = now() + LEFT_MS;
    const waits = ({ channel, number }: (typeof open)[number]) =>
      channel.state === 'ready' && ((channel.queue.completed - number) | 0) <= 0;
    while (open.some(waits) && now() < end) this.#pump();
  }
}

const addressKey = (rank: number) => `verbs-${rank}`;
const leftKey = (rank: number) => `verbs-left-${rank}`;
