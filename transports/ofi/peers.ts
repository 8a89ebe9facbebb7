/** The ranks that this one talks to over libfabric, is about to, and did: how each comes and goes. */
import { now } from '../../runtime/base/clock.ts';
import { MpiError } from '../../runtime/base/error.ts';
import { ConnectedPeers, type NetworkJob } from '../packets/connected-peers.ts';
import type { PeersHost } from '../packets/transport.ts';
import { Handshake, type Host } from './connect/handshake.ts';
import { newSecret, parseSecret, Secret } from './connect/secret.ts';
import type { OfiDevice } from './device/endpoint.ts';
import type { OfiQueue } from './device/queue.ts';
import { type OfiChannel, OfiLiveness } from './liveness.ts';

/** Milliseconds for which close() waits until the peers have this rank's last packet. */
export const OFI_LEFT_MS = 1000;
/** Milliseconds for which a rank waits until operations over a connection that broke have ended. */
export const OFI_SETTLE_MS = 100;
export class OfiPeers extends ConnectedPeers<OfiQueue, string> implements Host {
  readonly setup: Handshake;
  readonly liveness: OfiLiveness;
  readonly #device: OfiDevice;

  /** Tells the others where this rank is; returns when all have. */
  constructor(device: OfiDevice, job: NetworkJob, host: PeersHost<OfiQueue>, leftMs: number) {
    super(job, host, { text: 'libfabric', key: 'ofi' }, leftMs);
    this.#device = device;
    this.liveness = new OfiLiveness(device.name, device.endOf(device.address), now);
    if (job.rank === 0) job.put(SECRET_KEY, newSecret());
    job.put(addressKey(job.rank), `${device.provider}/${device.address}`);
    job.fence();
    const secret = new Secret(parseSecret(job.get(SECRET_KEY, 0)), job.rank);
    this.setup = new Handshake(device, this, secret, now);
    // What strangers and peers say first.
    host.receives.grow(0);
  }

  protected openQueue(peer: number, address: string): OfiQueue {
    return this.#device.createQueue(this.host.sends, peer, this.rank, address);
  }

  protected begin(channel: OfiChannel, address: string): void {
    this.liveness.watch(channel, this.#device.endOf(address));
    this.setup.begin(channel.peer, channel.queue);
  }

  protected addressOf(peer: number): string {
    const text = this.job.get(addressKey(peer), peer) ?? '';
    const [, provider, address] = /^([\w;]+)\/((?:[0-9a-f]{2})+)$/.exec(text) ?? [];
    const { name } = this.#device;
    if (provider === this.#device.provider && address !== undefined) return address;
    const why =
      provider === undefined
        ? 'has no address for libfabric (the launcher knows none)'
        : `uses libfabric's provider ${provider}, and this rank ${name}: set DREG_OFI_PROVIDER`;
    throw new MpiError('ERR_UNREACHABLE', `rank ${peer} ${why}`, { rank: this.rank, peer });
  }

  ready(peer: number): void {
    const channel = this.channels.get(peer);
    if (channel?.state === 'connecting') channel.state = 'ready';
  }

  /** What is under way ends before its memory is given back, as it does once its connection is cut. */
  protected override ending({ peer, queue }: OfiChannel): void {
    this.liveness.end(peer);
    const end = now() + OFI_SETTLE_MS;
    while (queue.completed !== queue.posted && now() < end) this.host.pump();
  }
}

const SECRET_KEY = 'ofi-secret';
const addressKey = (rank: number) => `ofi-${rank}`;
