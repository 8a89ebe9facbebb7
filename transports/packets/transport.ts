/** Ranks that are reached by packets over connections, whichever device carries them. */
import { wakeAddon } from '../../native/wake.ts';
import { Queue as FifoQueue } from '../../runtime/base/queue.ts';
import type { PacketHandler, Transport } from '../transport.ts';
import { PacketChannel, type Shared } from './channel.ts';
import type { Doorbell } from './doorbell.ts';
import type { PacketLayout } from './layout.ts';
import { type MemoryRoom, OneSided, type RdmaOperation } from './one-sided.ts';
import type { LeasedMemory, PacketArea, PacketPort, PacketQueue, PacketSlots } from './ports.ts';
import { SendSlots } from './send-slots.ts';
import { YieldPolicy } from './yield-policy.ts';

/** Packets that one poll takes from one peer before it looks at the next. */
const BURST = 64;
/** Polls in vain before a peer is told that its credit came, where no other packet says so. */
const ACKNOWLEDGE_POLLS = 64;

/** How connections begin. */
export interface Setup {
  /** Whether a peer has yet to answer. */
  readonly pending: boolean;
  /** Milliseconds until there is work again. */
  readonly dueIn: number;
  /** A packet came over the connection. */
  heard(peer: number): void;
  /** Does the work that is due; called while a peer is `pending`. */
  progress(): void;
  /** Looks for news of peers, at once or after a number of calls. */
  poll?(now: boolean): void;
}

/** The ranks that this one is connected with. */
export interface Peers<Queue extends PacketQueue> {
  readonly channels: ReadonlyMap<number, PacketChannel<Queue>>;
  readonly setup: Setup;
  readonly closed: boolean;
  connect(peer: number): PacketChannel<Queue>;
  end(channel: PacketChannel<Queue>): void;
  presence(peer: number): 'absent' | 'present' | 'leaving' | 'left';
  leave(): void;
  close(): void;
}

/** What the peers need of their transport. */
export interface PeersHost<Queue extends PacketQueue> {
  readonly receives: PacketSlots;
  /** What packets leave from. */
  readonly sends: PacketArea;
  open(peer: number, queue: Queue): PacketChannel<Queue>;
  /** Takes completions. */
  pump(): void;
}

/** Whether peers are there, while no packet comes that would show it. */
export interface LivenessWatch {
  /** Looks at the device, if the last look was so many milliseconds ago, and at the peers. */
  look(eventsAfter: number): void;
}

export interface TransportParts<Queue extends PacketQueue> {
  readonly rank: number;
  readonly size: number;
  readonly layout: PacketLayout;
  readonly device: PacketPort;
  /** Whether the device works only while it gets a processor. */
  readonly software: boolean;
  readonly receives: PacketSlots;
  readonly segmentBytes: number;
  readonly oneSided: boolean;
  peers(host: PeersHost<Queue>): Peers<Queue>;
  liveness(peers: Peers<Queue>): LivenessWatch;
  doorbell(peers: Peers<Queue>): Doorbell;
}

/** Milliseconds after which a rank that sleeps looks at its peers. */
export const HEARTBEAT_MS = 1000;
/**
 * Milliseconds between two looks of a polling rank at the device's events, because each look is a system
 * call. The rank learns this much later that a port is down. Operations under way fail by themselves, too.
 */
export const EVENTS_MS = 500;

export class PacketTransport<Queue extends PacketQueue> implements Transport {
  readonly name: string;
  readonly rank: number;
  readonly size: number;
  /** The pinned-memory manager; without one nothing is exported, and messages are copied. */
  memory: LeasedMemory | null = null;

  readonly #device: PacketPort;
  readonly #peers: Peers<Queue>;
  readonly #setup: Setup;
  readonly #doorbell: Doorbell;
  readonly #liveness: LivenessWatch;
  readonly #sends: SendSlots;
  readonly #receives: PacketSlots;
  readonly #shared: Shared;
  readonly #room: MemoryRoom;
  /** Channels with packets to deliver. */
  readonly #waiting = new FifoQueue<PacketChannel<Queue>>();
  readonly #broken: PacketChannel<Queue>[] = [];
  /** Channels whose peer waits to hear that its credit came. */
  readonly #owing = new Set<PacketChannel<Queue>>();
  readonly #finished: RdmaOperation[] = [];
  readonly #crowded = new Set<OneSided>();
  #emptyPolls = 0;
  /** For a device made of software. */
  readonly #yieldPolicy: YieldPolicy | null;

  constructor(parts: TransportParts<Queue>) {
    const { device, layout } = parts;
    this.name = layout.transport;
    this.rank = parts.rank;
    this.size = parts.size;
    this.#device = device;
    this.#yieldPolicy = parts.software ? new YieldPolicy() : null;
    this.#receives = parts.receives;
    this.#sends = new SendSlots(device, layout);
    this.#shared = this.#sharedOf(parts);
    this.#room = this.#roomOf();
    device.onReceive = (queue, slot, count) => this.#onReceive(queue, slot, count);
    this.#peers = parts.peers({
      receives: this.#receives,
      sends: this.#sends.area,
      open: (peer, queue) =>
        new PacketChannel(peer, queue, this.#shared, new OneSided(peer, queue, this.#room)),
      pump: () => this.#pump(),
    });
    this.#setup = this.#peers.setup;
    this.#liveness = parts.liveness(this.#peers);
    this.#doorbell = parts.doorbell(this.#peers);
  }

  connect(peer: number): PacketChannel<Queue> {
    return this.#peers.connect(peer);
  }

  #sharedOf({ layout, segmentBytes, oneSided }: TransportParts<Queue>): Shared {
    const transport = this;
    const { bytes } = this.#receives;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    return {
      rank: this.rank,
      layout,
      sends: this.#sends,
      receives: this.#receives,
      words,
      segmentBytes,
      oneSided,
      pump: (looks) => this.#pump(looks),
      get news() {
        return transport.#finished.length > 0 || transport.#broken.length > 0;
      },
      waiting: (channel) => {
        channel.listed = true;
        this.#waiting.push(channel as PacketChannel<Queue>);
      },
      broken: (channel) => this.#broken.push(channel as PacketChannel<Queue>),
      owing: (channel) => {
        this.#owing.add(channel as PacketChannel<Queue>);
      },
      heard: (peer) => this.#setup.heard(peer),
    };
  }

  #roomOf(): MemoryRoom {
    const transport = this;
    return {
      moving: 0,
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
    this.#pump(this.#room.moving > 0 ? this.#shared.layout.movingLooks : 1);
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
      this.#yieldPolicy?.found();
      return count;
    }
    this.#emptyPolls += 1;
    if (this.#emptyPolls % ACKNOWLEDGE_POLLS === 0 && this.#owing.size > 0) this.#acknowledge();
    if (this.#yieldPolicy?.isDue()) wakeAddon().yieldCpu();
    if (this.#emptyPolls % this.#shared.layout.clockPolls === 0) this.#liveness.look(EVENTS_MS);
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
    if (owner instanceof PacketChannel && owner.state !== 'closed') owner.arrived(slot, bytes);
    else this.#receives.post(slot);
  }

  #deliver(handler: PacketHandler): number {
    let count = 0;
    for (let i = this.#waiting.length; i > 0; i--) {
      const channel = this.#waiting.shift() as PacketChannel<Queue>;
      channel.listed = false;
      count += this.#drain(channel, handler);
      if (channel.any && !channel.listed) this.#shared.waiting(channel);
    }
    return count;
  }

  #drain(channel: PacketChannel<Queue>, handler: PacketHandler): number {
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

  /** Closes connections that broke or that the peer ended, once all earlier packets are delivered. */
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
    this.#doorbell.arm(Math.min(HEARTBEAT_MS, due));
  }

  disarm(): void {
    this.#doorbell.disarm();
  }

  block(milliseconds: number): void {
    this.#doorbell.block(milliseconds);
  }

  get wakeFd(): number {
    return this.#doorbell.fd;
  }

  watch(onDoorbell: () => void): { ref(): void; unref(): void; close(): void } {
    return this.#doorbell.watch(onDoorbell);
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
    this.#doorbell.close();
  }
}
