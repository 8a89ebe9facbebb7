/**
 * RDMA devices within this process, without hardware: their datagrams are lost, repeated and late, as a
 * network may do that, and their packets come in order, as RC has it. Everything random comes from a seed.
 * They watch over what a real device would punish: a packet for which no receive is posted.
 */

import type { PacketArea, PacketSlots } from '../../../../transports/packets/ports.ts';
import type { DatagramAddress } from '../../../../transports/verbs/connect/datagram.ts';
import type { QueueAddress } from '../../../../transports/verbs/device/attributes.ts';
import type { QueueOptions, Result } from '../../../../transports/verbs/device/queue-pair.ts';
import type { Datagrams, PacketDevice, PacketQueue } from '../../../../transports/verbs/ports.ts';
import type { Random } from '../../../tools/random.ts';

const SLOTS_MAX = 512;

export interface FabricOptions {
  random: Random;
  /** Of 100 datagrams so many are lost, and so many come twice. */
  lost?: number;
  repeated?: number;
}

interface Late {
  to: SimulatedDatagrams;
  bytes: Uint8Array;
}

/** What joins the devices. */
export class Fabric {
  readonly options: Required<FabricOptions>;
  readonly queues = new Map<number, SimulatedQueue>();
  readonly datagrams = new Map<number, SimulatedDatagrams>();
  /** Datagrams under way, in no order. */
  readonly late: Late[] = [];
  /** Packets that came where no receive was posted, or no queue pair was connected. */
  notReady = 0;
  #numbers = 0;

  constructor(options: FabricOptions) {
    this.options = { lost: 0, repeated: 0, ...options };
  }

  number(): number {
    return ++this.#numbers;
  }

  throw(to: DatagramAddress, bytes: Uint8Array): void {
    const { random, lost, repeated } = this.options;
    const there = this.datagrams.get(to.number);
    if (there === undefined || random.below(100) < lost) return;
    const copies = random.below(100) < repeated ? 2 : 1;
    for (let i = 0; i < copies; i++) this.late.push({ to: there, bytes: bytes.slice() });
  }

  /** Brings one datagram, whichever. */
  deliverOne(): void {
    if (this.late.length === 0) return;
    const [{ to, bytes }] = this.late.splice(this.options.random.below(this.late.length), 1);
    to.onDatagram(bytes, 0);
  }
}

class SimulatedSlots implements PacketSlots {
  readonly bytes: Uint8Array;
  readonly slotBytes: number;
  slots = 0;
  readonly posted: number[] = [];
  readonly #waiting: number[] = [];

  constructor(slotBytes: number) {
    this.slotBytes = slotBytes;
    this.bytes = new Uint8Array(slotBytes * SLOTS_MAX);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  grow(slots: number): void {
    for (let i = 0; i < slots; i++) this.post(this.slots++);
    this.flush();
  }

  post(slot: number): void {
    if (this.posted.includes(slot) || this.#waiting.includes(slot))
      throw new Error(`slot ${slot} is posted twice`);
    this.#waiting.push(slot);
  }

  flush(): void {
    this.posted.push(...this.#waiting.splice(0));
  }
}

export class SimulatedQueue implements PacketQueue {
  readonly number: number;
  readonly depth: number;
  readonly inlineBytes: number;
  posted = 0;
  completed = 0;
  owner: unknown = null;
  onError: (error: Error) => void = () => {};
  remote = 0;
  closed = false;
  /** What the peer has sent and this end has not taken. */
  readonly inbound: Uint8Array[] = [];
  readonly device: SimulatedDevice;
  readonly #fabric: Fabric;

  constructor(device: SimulatedDevice, fabric: Fabric, options: QueueOptions) {
    this.device = device;
    this.#fabric = fabric;
    this.number = fabric.number();
    this.depth = options.sendDepth;
    this.inlineBytes = options.inlineBytes;
    fabric.queues.set(this.number, this);
  }

  connect(remote: QueueAddress): void {
    this.remote = remote.number;
  }

  send(area: PacketArea, offset: number, length: number): number {
    return this.inject(area.bytes.slice(offset, offset + length));
  }

  /** Sends any bytes, as a peer that is not ours may. */
  inject(bytes: Uint8Array): number {
    const there = this.#fabric.queues.get(this.remote);
    this.posted++;
    this.completed++;
    if (there === undefined || there.closed) return 0;
    if (there.remote !== this.number) this.#fabric.notReady++;
    else there.inbound.push(bytes);
    return 0;
  }

  /** How often it was asked whether the peer answers. */
  probes = 0;

  probe(done: Result): number {
    this.probes += 1;
    done(0);
    return 0;
  }

  close(): void {
    this.closed = true;
  }
}

class SimulatedDatagrams implements Datagrams {
  readonly number: number;
  onDatagram: (bytes: Uint8Array, source: number) => void = () => {};
  readonly #fabric: Fabric;

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
    this.number = fabric.number();
    fabric.datagrams.set(this.number, this);
  }

  send(to: DatagramAddress, bytes: Uint8Array): boolean {
    this.#fabric.throw(to, bytes);
    return true;
  }

  close(): void {
    this.#fabric.datagrams.delete(this.number);
  }
}

export class SimulatedDevice implements PacketDevice {
  readonly name = 'simulated';
  readonly link = 'infiniband';
  readonly lid = 1;
  readonly gid = '0'.repeat(32);
  readonly mtu = 1024;
  readonly software = false;
  readonly messageBytesMax = 2 ** 30;
  readonly wakeFd = -1;
  readonly asyncFd = -1;
  onReceive: (queue: PacketQueue, slot: number, bytes: number) => void = () => {};
  readonly queues: SimulatedQueue[] = [];
  #slots: SimulatedSlots | null = null;
  readonly #fabric: Fabric;

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  openReceiveQueue(slotBytes: number): PacketSlots {
    this.#slots = new SimulatedSlots(slotBytes);
    return this.#slots;
  }

  openSendArea(bytes: number): PacketArea {
    return { bytes: new Uint8Array(bytes), index: 0 };
  }

  createQueuePair(options: QueueOptions): SimulatedQueue {
    const queue = new SimulatedQueue(this, this.#fabric, options);
    this.queues.push(queue);
    return queue;
  }

  createDatagramQueue(): Datagrams {
    return new SimulatedDatagrams(this.#fabric);
  }

  /** Some of what has come, or all of it at once. */
  poll(): number {
    const { random } = this.#fabric.options;
    this.#fabric.deliverOne();
    this.#slots?.flush();
    let count = 0;
    for (const queue of this.queues)
      for (let i = random.pick([0, 1, 5, 1000]); i > 0 && queue.inbound.length > 0; i--) {
        count++;
        this.#receive(queue, queue.inbound.shift() as Uint8Array);
      }
    return count;
  }

  #receive(queue: SimulatedQueue, bytes: Uint8Array): void {
    if (queue.closed) return;
    const slots = this.#slots as SimulatedSlots;
    const slot = slots.posted.shift();
    if (slot === undefined) {
      this.#fabric.notReady++;
      return;
    }
    slots.bytes.set(bytes, slot * slots.slotBytes);
    this.onReceive(queue, slot, bytes.length);
  }

  arm(): void {}
  disarm(): void {}
  /** What happened to it, and how often somebody looked. */
  readonly events: unknown[] = [];
  looks = 0;
  takeEvent(): unknown {
    this.looks += 1;
    return this.events.shift() ?? null;
  }
}
