/** The ranks that this one is connected with, is about to be, and was: how each comes and goes. */
import { now } from '../../runtime/base/clock.ts';
import { MpiError } from '../../runtime/base/error.ts';
import { SEND_DEPTH } from '../packets/channel.ts';
import { CONTROL, SLOTS_PER_PEER } from '../packets/layout.ts';
import { INLINE_BYTES, SPARE_SLOTS } from '../packets/sender.ts';
import type { Peers, PeersHost } from '../packets/transport.ts';
import { ConnectionManager } from './connect/connections.ts';
import { Handshake, HELLO_NOTE_MS, type Host } from './connect/handshake.ts';
import { type IwarpHost, IwarpSetup } from './connect/iwarp.ts';
import { type ConnectionSetup, formatAddress, parseAddress } from './connect/setup.ts';
import type { PacketDevice, PacketQueue, VerbsChannel } from './ports.ts';

/** Milliseconds for which close() waits until the peers' devices have this rank's last packet. */
export const LEFT_MS = 1000;
/** Milliseconds between two questions to the launcher whether a peer that does not answer has left. */
export const PRESENCE_MS = 1000;

/** The job, as far as the transport needs it. */
export interface VerbsJob {
  readonly rank: number;
  readonly size: number;
  readonly jobId: string;
  /** The launcher's key-value space. `get` answers undefined where the rank `of` has put no such key. */
  put(key: string, value: string): void;
  get(key: string, of: number): string | undefined;
  /** After it every rank sees the values that all ranks have put. */
  fence(): void;
}

export class VerbsPeers implements Host, IwarpHost, Peers<PacketQueue> {
  readonly rank: number;
  readonly size: number;
  readonly jobId: string;
  /** From the first contact on. */
  readonly channels = new Map<number, VerbsChannel>();
  readonly setup: ConnectionSetup;
  readonly #device: PacketDevice;
  readonly #job: VerbsJob;
  readonly #host: PeersHost<PacketQueue>;
  /** Receive slots that are promised to no peer. */
  #spare = 0;
  /** By peer that is not connected: when the launcher was asked, and its answer. */
  readonly #asked = new Map<number, { at: number; left: boolean }>();
  closed = false;
  /** Whether the user was told of a peer's silence. */
  #noted = false;

  constructor(device: PacketDevice, job: VerbsJob, host: PeersHost<PacketQueue>) {
    this.#device = device;
    this.#job = job;
    this.#host = host;
    this.rank = job.rank;
    this.size = job.size;
    this.jobId = job.jobId;
    this.setup = this.#openSetup();
  }

  #openSetup(): ConnectionSetup {
    const device = this.#device;
    if (device.link !== 'iwarp') return new Handshake(device, this, now) as ConnectionSetup;
    const connections = new ConnectionManager(device.name, device.reads ?? { out: 1, in: 1 });
    return new IwarpSetup(device, this, connections, now) as ConnectionSetup;
  }

  /** Tells the others where this rank is; returns when all have. @throws MpiError ERR_SYSTEM */
  publish(): void {
    this.#job.put(addressKey(this.rank), formatAddress(this.setup.address));
    this.#job.fence();
  }

  connect(peer: number): VerbsChannel {
    const known = this.channels.get(peer);
    if (known) return known;
    if (!(peer >= 0 && peer < this.size) || peer === this.rank)
      throw new MpiError('ERR_UNREACHABLE', `rank ${peer} is not reached by RDMA`, { peer });
    const address = this.#addressOf(peer);
    this.#provide();
    const queue = this.#createQueuePair();
    this.#spare -= SLOTS_PER_PEER;
    const channel = this.#host.open(peer, queue);
    this.channels.set(peer, channel);
    this.setup.begin(peer, queue, address);
    return channel;
  }

  /** Slots for one more peer. */
  #provide(): void {
    if (this.#host.receives.slots === 0) this.#host.receives.grow(SPARE_SLOTS);
    if (this.#spare >= SLOTS_PER_PEER) return;
    this.#host.receives.grow(SLOTS_PER_PEER);
    this.#spare += SLOTS_PER_PEER;
  }

  #createQueuePair(): PacketQueue {
    return this.#device.createQueuePair({ sendDepth: SEND_DEPTH, inlineBytes: INLINE_BYTES });
  }

  #addressOf(peer: number) {
    return parseAddress(this.#job.get(addressKey(peer), peer) ?? '', this.#device.link, peer);
  }

  invite(peer: number): void {
    if (!this.closed) this.connect(peer);
  }

  ready(peer: number): void {
    const channel = this.channels.get(peer);
    if (channel?.state !== 'connecting') return;
    channel.state = 'ready';
    // On iWARP the rank that called sends first: the other one waits for it.
    if (this.#device.link === 'iwarp' && this.rank < peer) channel.control(CONTROL.acknowledge);
  }

  renew(peer: number): PacketQueue {
    const channel = this.channels.get(peer) as VerbsChannel;
    const old = channel.queue;
    channel.adopt(this.#createQueuePair());
    old.onError = () => {};
    old.close();
    return channel.queue;
  }

  failed(peer: number, error: MpiError): void {
    this.channels.get(peer)?.fail(error);
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

  /** The queue pair is destroyed. */
  end(channel: VerbsChannel): void {
    this.setup.end(channel.peer);
    channel.close();
    this.#spare += SLOTS_PER_PEER;
  }

  // ---- leaving

  presence(peer: number): 'absent' | 'present' | 'leaving' | 'left' {
    const channel = this.channels.get(peer);
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
    const left = this.#job.get(leftKey(peer), peer) !== undefined;
    this.#asked.set(peer, { at: time, left });
    return left;
  }

  leave(): void {
    for (const channel of this.channels.values()) channel.control(CONTROL.leaving);
  }

  /** No rank is connected with this one any more, and none will be. */
  close(): void {
    this.closed = true;
    this.#job.put(leftKey(this.rank), '1');
    this.#sayLeft();
    this.setup.close();
    for (const channel of this.channels.values()) {
      channel.close();
      channel.drop();
    }
  }

  /**
   * Waits until the peers' devices have this rank's last packet, which stands for all packets before it.
   */
  #sayLeft(): void {
    const open: { channel: VerbsChannel; number: number }[] = [];
    for (const channel of this.channels.values()) {
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
    while (open.some(waits) && now() < end) this.#host.pump();
  }
}

export const addressKey = (rank: number) => `verbs-${rank}`;
const leftKey = (rank: number) => `verbs-left-${rank}`;
