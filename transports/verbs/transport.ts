/** Ranks that an RDMA device reaches (docs/internals/verbs.md). */
import { wakeAddon } from '../../native/wake.ts';
import { now } from '../../runtime/base/clock.ts';
import { Queue } from '../../runtime/base/queue.ts';
import type { PacketHandler, Transport } from '../transport.ts';
import type { ConnectionSetup } from './connect/setup.ts';
import { Doorbell } from './device/doorbell.ts';
import { YieldPolicy } from './device/yield-policy.ts';
import { EVENTS_MS, HEARTBEAT_MS, Liveness } from './liveness.ts';
import { type Shared, VerbsChannel } from './packets/channel.ts';
import { SendSlots } from './packets/send-slots.ts';
import { VERBS_SLOT_BYTES } from './packets/wire.ts';
import { type VerbsJob, VerbsPeers } from './peers.ts';
import type { LeasedMemory, PacketDevice, PacketQueue, PacketSlots } from './ports.ts';
import {
  type MemoryRoom,
  OneSided,
  type RdmaOperation,
  VERBS_SEGMENT_BYTES,
} from './rdma/one-sided.ts';

/** Packets that one poll takes from one peer before it looks at the next. */
const BURST = 64;
/** Polls between two looks at the clock. */
export const CLOCK_POLLS = 16384;
/** Polls that find nothing before a peer is told that its credit came: there is nothing else to say. */
const ACKNOWLEDGE_POLLS = 64;

export class VerbsTransport implements Transport {
  readonly name = 'verbs';
  readonly rank: number;
  readonly size: number;
  /** The pinned-memory manager; without one nothing is exported, and messages are copied. */
  memory: LeasedMemory | null = null;

  readonly #device: PacketDevice;
  readonly #peers: VerbsPeers;
  readonly #setup: ConnectionSetup;
  readonly #bell: Doorbell;
  readonly #liveness: Liveness;
  readonly #sends: SendSlots;
  readonly #receives: PacketSlots;
  readonly #shared: Shared;
  readonly #room: MemoryRoom;
  /** Those with packets to deliver. */
  readonly #waiting = new Queue<VerbsChannel>();
  readonly #broken: VerbsChannel[] = [];
  /** Those whose peer waits to hear that its credit came. */
  readonly #owing = new Set<VerbsChannel>();
  readonly #finished: RdmaOperation[] = [];
  readonly #crowded = new Set<OneSided>();
  #emptyPolls = 0;
  /** For a device made of software. */
  readonly #courtesy: YieldPolicy | null;
  /** Tells the others where this rank is; returns when all have. @throws MpiError ERR_NO_MEM, ERR_SYSTEM */
  constructor(device: PacketDevice, job: VerbsJob) {
    this.#device = device;
    this.#courtesy = device.software ? new YieldPolicy() : null;
    this.rank = job.rank;
    this.size = job.size;
    this.#receives = device.openReceiveQueue(VERBS_SLOT_BYTES);
    this.#sends = new SendSlots(device);
    const { bytes } = this.#receives;
    this.#shared = this.#sharedOf(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
    this.#room = this.#roomOf();
    device.onReceive = (queue, slot, count) => this.#onReceive(queue, slot, count);
    this.#peers = new VerbsPeers(device, job, {
      receives: this.#receives,
      open: (peer, queue) =>
        new VerbsChannel(peer, queue, this.#shared, new OneSided(peer, queue, this.#room)),
      pump: () => this.#pump(),
    });
    this.#setup = this.#peers.setup;
    this.#liveness = new Liveness(device, this.#peers.channels, now);
    const { fd } = this.#setup;
    const news = fd === undefined ? null : { fd, take: () => this.#setup.poll?.(true) };
    this.#bell = new Doorbell(device, news);
    this.#peers.publish();
  }

  connect(peer: number): VerbsChannel {
    return this.#peers.connect(peer);
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
      heard: (peer) => this.#setup.heard(peer),
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
    if (this.#setup.pending) this.#setup.progress();
    return count;
  }

  /** Takes completions. A device made of software gets the processor when there are none. */
  #pump(looks = 1): number {
    const count = this.#device.poll(looks);
    this.#setup.poll?.(false);
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
    const { packets } = channel;
    let count = 0;
    try {
      while (count < BURST && packets.any) {
        packets.open();
        handler.onPacket(channel.peer, packets);
        packets.advance();
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

  /** Connections that broke, or that the peer ended, once all that came before is delivered. */
  #endBroken(handler: PacketHandler): void {
    for (const channel of this.#broken.splice(0)) {
      if (channel.any) {
        this.#broken.push(channel);
        continue;
      }
      const { error } = channel;
      this.#peers.end(channel);
      this.#tellFinished();
      if (error !== null) handler.onPeerError(channel.peer, error);
    }
  }

  // ---- sleeping

  arm(how: 'block' | 'loop'): void {
    void how;
    this.#liveness.look(0);
    for (const channel of this.#peers.channels.values()) channel.settle(true);
    this.#receives.flush();
    const due = this.#setup.pending ? this.#setup.dueIn : HEARTBEAT_MS;
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
    return this.#peers.presence(peer);
  }

  leave(): void {
    this.#peers.leave();
  }

  close(): void {
    if (this.#peers.closed) return;
    this.#peers.close();
    this.#tellFinished();
    this.#bell.close();
  }
}
