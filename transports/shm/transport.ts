/** The ranks of one node, through their shared segment (docs/internals/shm.md). */
import { MpiError } from '../../runtime/base/error.ts';
import type { Channel, PacketHandler, Transport } from '../transport.ts';
import { Blocks } from './blocks.ts';
import { publishProbe, ShmChannel, type Surroundings } from './channel.ts';
import { Doorbell, ring } from './doorbell.ts';
import { Heap } from './heap.ts';
import { HeapWindows } from './heap-windows.ts';
import { CONTROL, LEAVING, LEFT, PRESENT } from './layout.ts';
import { RingReceiver } from './ring-receiver.ts';
import { RingSender } from './ring-sender.ts';
import type { Segment } from './segment.ts';
import { SharedHeaps } from './shared-heaps.ts';
import { WaitBoard } from './wait-board.ts';

/** Packets that one poll takes from one peer before it looks at the next. */
const BURST = 64;

/** By the words of CONTROL.presence. */
const PRESENCES = ['absent', 'present', 'leaving', 'left'] as const;

interface Inbound {
  peer: number;
  ring: RingReceiver;
}

export class ShmTransport implements Transport {
  readonly name = 'shm';
  readonly heap: Heap;
  /** What the ranks of the node wait for. */
  readonly board: WaitBoard;
  readonly blocks: Blocks;
  readonly #segment: Segment;
  readonly #control: Int32Array;
  readonly #doorbell: Doorbell;
  readonly #surroundings: Surroundings;
  readonly #sharedHeaps: SharedHeaps;
  /** By local rank. */
  readonly #channels: (ShmChannel | undefined)[];
  /** The peers that have opened their rings towards us. */
  readonly #inbound: Inbound[] = [];
  /** Peers' control pages, by local rank. */
  readonly #controls: Int32Array[] = [];
  readonly #probe: Int32Array;
  #contacts = 0;
  #closed = false;
  #noted = false;

  constructor(segment: Segment) {
    this.#segment = segment;
    this.#control = segment.control(segment.self);
    const doorbell = segment.doorbells[segment.self];
    this.#doorbell = new Doorbell(this.#control, doorbell, segment.isCrowded);
    this.#channels = new Array(segment.ranks.length).fill(undefined);
    this.heap = new Heap(segment);
    this.#controls[segment.self] = this.#control;
    this.board = new WaitBoard(segment, (local) => this.#peerControl(local));
    this.#probe = publishProbe(this.#control);
    this.#sharedHeaps = new SharedHeaps(this.#control, segment.self);
    this.#sharedHeaps.publish();
    // From here on peers may read this page.
    Atomics.store(this.#control, CONTROL.presence, PRESENT);
    const { heap } = this;
    const windows = new HeapWindows(segment);
    this.blocks = new Blocks({
      segment,
      heap,
      control: (local) => this.#peerControl(local),
      checkFences: () => this.#doorbell.checkFences(),
    });
    this.#surroundings = {
      heap,
      windows,
      sharedHeaps: this.#sharedHeaps,
      noteNoAddresses: (peer, reason) => this.#noteNoAddresses(peer, reason),
    };
  }

  connect(peer: number): Channel {
    return this.#channelOf(this.#local(peer));
  }

  poll(handler: PacketHandler): number {
    if (this.#control[CONTROL.contacts] !== this.#contacts) this.#acceptContacts();
    const inbound = this.#inbound;
    let count = 0;
    for (let i = 0; i < inbound.length; i++) count += this.#drain(inbound[i], handler);
    return count;
  }

  arm(how: 'block' | 'loop'): void {
    for (const { ring: receiver } of this.#inbound) receiver.flush();
    this.#doorbell.arm(how);
  }

  disarm(): void {
    this.board.wakes();
    this.#doorbell.disarm();
  }

  block(milliseconds: number): void {
    this.#doorbell.block(milliseconds);
  }

  get wakeFd(): number {
    return this.#doorbell.doorbell;
  }

  watch(onDoorbell: () => void): { ref(): void; unref(): void; close(): void } {
    return this.#doorbell.watch(onDoorbell);
  }

  presence(peer: number): (typeof PRESENCES)[number] {
    const local = this.#segment.ranks.indexOf(peer);
    // This transport knows nothing of a rank on another node.
    if (local < 0) return 'absent';
    return PRESENCES[Atomics.load(this.#peerControl(local), CONTROL.presence)] ?? 'left';
  }

  leave(): void {
    this.#setPresence(LEAVING);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#setPresence(LEFT);
    // Kept alive until here, because peers read it by its address: who finds it empty finds that this rank has left.
    this.#probe.fill(0);
    for (const channel of this.#channels) channel?.close();
    this.#doorbell.close();
    this.blocks.close();
    this.heap.close();
    this.#sharedHeaps.close();
    this.#segment.close();
  }

  /** Wakes the ranks that sleep, so that they look. */
  #setPresence(presence: number): void {
    Atomics.store(this.#control, CONTROL.presence, presence);
    for (let local = 0; local < this.#segment.ranks.length; local++)
      if (local !== this.#segment.self)
        ring(this.#peerControl(local), this.#segment.doorbells[local]);
  }

  #local(peer: number): number {
    const local = this.#segment.ranks.indexOf(peer);
    if (local >= 0) return local;
    throw new MpiError(
      'ERR_UNREACHABLE',
      `rank ${peer} runs on another node, which shared memory does not reach: start all ranks on one node, or leave DREG_TRANSPORT unset to use RDMA`,
      { peer },
    );
  }

  #peerControl(local: number): Int32Array {
    this.#controls[local] ??= this.#segment.control(local);
    return this.#controls[local];
  }

  #channelOf(local: number): ShmChannel {
    const known = this.#channels[local];
    if (known) return known;
    const segment = this.#segment;
    const peer = segment.ranks[local];
    const control = this.#peerControl(local);
    const fenced = () => this.#doorbell.checkFences() && control[CONTROL.fences] === 1;
    const sender = new RingSender(segment.region(segment.self, local), fenced);
    const doorbell = segment.doorbells[local];
    const channel = new ShmChannel(peer, local, control, doorbell, sender, this.#surroundings);
    this.#channels[local] = channel;
    Atomics.store(control, CONTROL.contactFlags + segment.self, 1);
    Atomics.add(control, CONTROL.contacts, 1);
    ring(control, doorbell);
    return channel;
  }

  #acceptContacts(): void {
    this.#contacts = Atomics.load(this.#control, CONTROL.contacts);
    const segment = this.#segment;
    for (let local = 0; local < segment.ranks.length; local++) {
      const flag = Atomics.load(this.#control, CONTROL.contactFlags + local);
      const peer = segment.ranks[local];
      if (flag === 0 || this.#inbound.some((inbound) => inbound.peer === peer)) continue;
      const control = this.#peerControl(local);
      if (local !== segment.self) this.#sharedHeaps.meet(local, control);
      const wake = () => {
        this.#doorbell.checkFences();
        ring(control, segment.doorbells[local]);
      };
      const receiver = new RingReceiver(segment.region(local, segment.self), wake);
      this.#inbound.push({ peer, ring: receiver });
      this.#channelOf(local).receiver = receiver;
    }
  }

  #drain(inbound: Inbound, handler: PacketHandler): number {
    const { peer, ring: receiver } = inbound;
    let count = 0;
    try {
      while (count < BURST && receiver.next()) {
        handler.onPacket(peer, receiver);
        receiver.advance();
        count++;
      }
    } catch (error) {
      this.#inbound.splice(this.#inbound.indexOf(inbound), 1);
      handler.onPeerError(peer, error as Error);
    }
    return count;
  }

  #noteNoAddresses(peer: number, reason: string): void {
    if (this.#noted) return;
    this.#noted = true;
    process.stderr.write(
      `dreg-mpi: rank ${this.#segment.ranks[this.#segment.self]} may not read the memory of rank ${peer} (process_vm_readv: ${reason}); large messages are copied through the shared segment. Yama's ptrace_scope or a container's seccomp profile forbids it.\n`,
    );
  }
}
