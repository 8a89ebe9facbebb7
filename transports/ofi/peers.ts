/** The ranks that this one talks to over libfabric, is about to, and did: how each comes and goes. */
import { now } from '../../runtime/base/clock.ts';
import { MpiError } from '../../runtime/base/error.ts';
import type { PacketChannel } from '../packets/channel.ts';
import { CONTROL, SLOTS_PER_PEER } from '../packets/layout.ts';
import type { Peers, PeersHost } from '../packets/transport.ts';
import { Handshake, type Host } from './connect/handshake.ts';
import { newSecret, parseSecret, Secret } from './connect/secret.ts';
import type { OfiDevice } from './device/endpoint.ts';
import type { OfiQueue } from './device/queue.ts';

/** Milliseconds for which close() waits until the peers have this rank's last packet. */
export const OFI_LEFT_MS = 1000;
/** Milliseconds between two questions to the launcher whether a peer that does not answer has left. */
export const OFI_PRESENCE_MS = 1000;

/** The job, as far as the transport needs it. */
export interface OfiJob {
  readonly rank: number;
  readonly size: number;
  put(key: string, value: string): void;
  get(key: string, of: number): string | undefined;
  fence(): void;
}

type OfiChannel = PacketChannel<OfiQueue>;

export class OfiPeers implements Peers<OfiQueue>, Host {
  readonly rank: number;
  readonly size: number;
  readonly channels = new Map<number, OfiChannel>();
  readonly setup: Handshake;
  closed = false;
  readonly #device: OfiDevice;
  readonly #job: OfiJob;
  readonly #host: PeersHost<OfiQueue>;
  readonly #leftMs: number;
  /** Receive slots that are promised to no peer. */
  #spare = 0;
  readonly #asked = new Map<number, { at: number; left: boolean }>();

  /** Tells the others where this rank is; returns when all have. */
  constructor(device: OfiDevice, job: OfiJob, host: PeersHost<OfiQueue>, leftMs: number) {
    this.#device = device;
    this.#job = job;
    this.#host = host;
    this.#leftMs = leftMs;
    this.rank = job.rank;
    this.size = job.size;
    if (job.rank === 0) job.put(SECRET_KEY, newSecret());
    job.put(addressKey(job.rank), `${device.provider}/${device.address}`);
    job.fence();
    const secret = new Secret(parseSecret(job.get(SECRET_KEY, 0)), job.rank);
    this.setup = new Handshake(device, this, secret, now);
    // What strangers and peers say first.
    host.receives.grow(0);
  }

  connect(peer: number): OfiChannel {
    const known = this.channels.get(peer);
    if (known) return known;
    if (!(peer >= 0 && peer < this.size) || peer === this.rank)
      throw new MpiError('ERR_UNREACHABLE', `rank ${peer} is not reached by libfabric`, { peer });
    const there = this.#device.peerAt(this.#addressOf(peer));
    if (this.#spare < SLOTS_PER_PEER) {
      this.#host.receives.grow(SLOTS_PER_PEER);
      this.#spare += SLOTS_PER_PEER;
    }
    this.#spare -= SLOTS_PER_PEER;
    const queue = this.#device.createQueue(this.#host.sends, peer, this.rank, there);
    const channel = this.#host.open(peer, queue);
    this.channels.set(peer, channel);
    this.setup.begin(peer, queue);
    return channel;
  }

  #addressOf(peer: number): string {
    const text = this.#job.get(addressKey(peer), peer) ?? '';
    const [, provider, address] = /^([\w;]+)\/((?:[0-9a-f]{2})+)$/.exec(text) ?? [];
    const { name } = this.#device;
    if (provider === this.#device.provider && address !== undefined) return address;
    const why =
      provider === undefined
        ? 'has no address for libfabric (the launcher knows none)'
        : `uses libfabric's provider ${provider}, and this rank ${name}: set DREG_OFI_PROVIDER`;
    throw new MpiError('ERR_UNREACHABLE', `rank ${peer} ${why}`, { rank: this.rank, peer });
  }

  invite(peer: number): void {
    if (!this.closed) this.connect(peer);
  }

  ready(peer: number): void {
    const channel = this.channels.get(peer);
    if (channel?.state === 'connecting') channel.state = 'ready';
  }

  end(channel: OfiChannel): void {
    this.setup.end(channel.peer);
    channel.close();
    this.#spare += SLOTS_PER_PEER;
  }

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
    if (known && (known.left || time - known.at < OFI_PRESENCE_MS)) return known.left;
    const left = this.#job.get(leftKey(peer), peer) !== undefined;
    this.#asked.set(peer, { at: time, left });
    return left;
  }

  leave(): void {
    for (const channel of this.channels.values()) channel.control(CONTROL.leaving);
  }

  close(): void {
    this.closed = true;
    this.#job.put(leftKey(this.rank), '1');
    this.#sayLeft();
    for (const channel of this.channels.values()) {
      channel.close();
      channel.drop();
    }
  }

  #sayLeft(): void {
    const open: { channel: OfiChannel; number: number }[] = [];
    for (const channel of this.channels.values()) {
      const number = channel.queue.posted;
      if (channel.control(CONTROL.left)) open.push({ channel, number });
    }
    const end = now() + this.#leftMs;
    const waits = ({ channel, number }: (typeof open)[number]) =>
      channel.state === 'ready' && ((channel.queue.completed - number) | 0) <= 0;
    while (open.some(waits) && now() < end) this.#host.pump();
  }
}

const SECRET_KEY = 'ofi-secret';
const addressKey = (rank: number) => `ofi-${rank}`;
const leftKey = (rank: number) => `ofi-left-${rank}`;
