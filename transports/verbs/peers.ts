/** The ranks that this one is connected with, is about to be, and was: how each comes and goes. */
import { now } from '../../runtime/base/clock.ts';
import type { MpiError } from '../../runtime/base/error.ts';
import { SEND_DEPTH } from '../packets/channel.ts';
import { ConnectedPeers, type NetworkJob } from '../packets/connected-peers.ts';
import { CONTROL } from '../packets/layout.ts';
import { INLINE_BYTES, SPARE_SLOTS } from '../packets/sender.ts';
import type { PeersHost } from '../packets/transport.ts';
import { ConnectionManager } from './connect/connections.ts';
import { Handshake, HELLO_NOTE_MS, type Host } from './connect/handshake.ts';
import { type IwarpHost, IwarpSetup } from './connect/iwarp.ts';
import { type ConnectionSetup, formatAddress, parseAddress } from './connect/setup.ts';
import type { PacketDevice, PacketQueue, VerbsChannel } from './ports.ts';

/** Milliseconds for which close() waits until the peers' devices have this rank's last packet. */
export const LEFT_MS = 1000;
/** The job, as far as the transport needs it. */
export interface VerbsJob extends NetworkJob {
  readonly jobId: string;
}

export class VerbsPeers
  extends ConnectedPeers<PacketQueue, ReturnType<typeof parseAddress>>
  implements Host, IwarpHost
{
  readonly jobId: string;
  readonly setup: ConnectionSetup;
  readonly #device: PacketDevice;
  /** Whether the user was told of a peer's silence. */
  #noted = false;

  constructor(device: PacketDevice, job: VerbsJob, host: PeersHost<PacketQueue>) {
    super(job, host, { text: 'RDMA', key: 'verbs' }, LEFT_MS);
    this.#device = device;
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
    this.job.put(addressKey(this.rank), formatAddress(this.setup.address));
    this.job.fence();
  }

  protected override provide(): void {
    if (this.host.receives.slots === 0) this.host.receives.grow(SPARE_SLOTS);
    super.provide();
  }

  protected openQueue(): PacketQueue {
    return this.#createQueuePair();
  }

  protected begin({ peer, queue }: VerbsChannel, address: ReturnType<typeof parseAddress>): void {
    this.setup.begin(peer, queue, address);
  }

  #createQueuePair(): PacketQueue {
    return this.#device.createQueuePair({ sendDepth: SEND_DEPTH, inlineBytes: INLINE_BYTES });
  }

  protected addressOf(peer: number): ReturnType<typeof parseAddress> {
    return parseAddress(this.job.get(addressKey(peer), peer) ?? '', this.#device.link, peer);
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

  protected override closing(): void {
    this.setup.close();
  }

  /** On iWARP a packet has completed when it is on its way; the answer to a READ comes after it. */
  protected override farewell(channel: VerbsChannel): number | null {
    const number = super.farewell(channel);
    if (number === null || this.#device.link !== 'iwarp') return number;
    const last = channel.queue.posted;
    return channel.queue.probe(() => {}) === 0 ? last : number;
  }
}

export const addressKey = (rank: number) => `verbs-${rank}`;
