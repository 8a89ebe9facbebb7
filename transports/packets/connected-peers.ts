/** The ranks that this one is connected with, is about to be, and was: what is the same over each network. */
import { now } from '../../runtime/base/clock.ts';
import { MpiError } from '../../runtime/base/error.ts';
import type { PacketChannel } from './channel.ts';
import { CONTROL, SLOTS_PER_PEER } from './layout.ts';
import type { PacketQueue } from './ports.ts';
import type { Peers, PeersHost, Setup } from './transport.ts';

/** Milliseconds between two questions to the launcher whether a peer that does not answer has left. */
export const PRESENCE_MS = 1000;

/** The job, as far as a network needs it. */
export interface NetworkJob {
  readonly rank: number;
  readonly size: number;
  /** The launcher's key-value space. `get` answers undefined where the rank `of` has put no such key. */
  put(key: string, value: string): void;
  get(key: string, of: number): string | undefined;
  /** After it every rank sees the values that all ranks have put. */
  fence(): void;
}

/** How a network is called: in errors, and in its keys in the launcher's key-value space. */
interface Names {
  readonly text: string;
  readonly key: string;
}

/** @typeParam Address where a peer is */
export abstract class ConnectedPeers<Queue extends PacketQueue, Address> implements Peers<Queue> {
  readonly rank: number;
  readonly size: number;
  /** From the first contact on. */
  readonly channels = new Map<number, PacketChannel<Queue>>();
  closed = false;
  abstract readonly setup: Setup & { end(peer: number): void };
  protected readonly job: NetworkJob;
  protected readonly host: PeersHost<Queue>;
  readonly #names: Names;
  readonly #leftMs: number;
  /** Receive slots that are promised to no peer. */
  #spare = 0;
  /** By peer that is not connected: when the launcher was asked, and its answer. */
  readonly #asked = new Map<number, { at: number; left: boolean }>();

  /** @param leftMs for so many milliseconds close() waits until the peers have this rank's last packet */
  constructor(job: NetworkJob, host: PeersHost<Queue>, names: Names, leftMs: number) {
    this.job = job;
    this.host = host;
    this.rank = job.rank;
    this.size = job.size;
    this.#names = names;
    this.#leftMs = leftMs;
  }

  /** @throws MpiError ERR_UNREACHABLE */
  protected abstract addressOf(peer: number): Address;
  protected abstract openQueue(peer: number, address: Address): Queue;
  protected abstract begin(channel: PacketChannel<Queue>, address: Address): void;

  connect(peer: number): PacketChannel<Queue> {
    const known = this.channels.get(peer);
    if (known) return known;
    if (!(peer >= 0 && peer < this.size) || peer === this.rank)
      throw new MpiError('ERR_UNREACHABLE', `rank ${peer} is not reached by ${this.#names.text}`, {
        peer,
      });
    const address = this.addressOf(peer);
    this.provide();
    const queue = this.openQueue(peer, address);
    this.#spare -= SLOTS_PER_PEER;
    const channel = this.host.open(peer, queue);
    this.channels.set(peer, channel);
    this.begin(channel, address);
    return channel;
  }

  /** Receive slots for one more peer. */
  protected provide(): void {
    if (this.#spare >= SLOTS_PER_PEER) return;
    this.host.receives.grow(SLOTS_PER_PEER);
    this.#spare += SLOTS_PER_PEER;
  }

  invite(peer: number): void {
    if (!this.closed) this.connect(peer);
  }

  end(channel: PacketChannel<Queue>): void {
    this.setup.end(channel.peer);
    this.ending(channel);
    channel.close();
    this.#spare += SLOTS_PER_PEER;
  }

  /** A connection is about to be closed. */
  protected ending(_channel: PacketChannel<Queue>): void {}

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
    const left = this.job.get(this.#leftKey(peer), peer) !== undefined;
    this.#asked.set(peer, { at: time, left });
    return left;
  }

  #leftKey(peer: number): string {
    return `${this.#names.key}-left-${peer}`;
  }

  leave(): void {
    for (const channel of this.channels.values()) channel.control(CONTROL.leaving);
  }

  /** No rank is connected with this one any more, and none will be. */
  close(): void {
    this.closed = true;
    this.job.put(this.#leftKey(this.rank), '1');
    this.#sayLeft();
    this.closing();
    for (const channel of this.channels.values()) {
      channel.close();
      channel.drop();
    }
  }

  /** All connections are about to be closed. */
  protected closing(): void {}

  /** Waits until the peers have this rank's last packet, which stands for all packets before it. */
  #sayLeft(): void {
    const open: { channel: PacketChannel<Queue>; number: number }[] = [];
    for (const channel of this.channels.values()) {
      const number = this.farewell(channel);
      if (number !== null) open.push({ channel, number });
    }
    const end = now() + this.#leftMs;
    const waits = ({ channel, number }: (typeof open)[number]) =>
      channel.state === 'ready' && ((channel.queue.completed - number) | 0) <= 0;
    while (open.some(waits) && now() < end) this.host.pump();
  }

  /** Sends the last packet; once more than so many have completed, the peer has it. Null: it could not be sent. */
  protected farewell(channel: PacketChannel<Queue>): number | null {
    const number = channel.queue.posted;
    return channel.control(CONTROL.left) ? number : null;
  }
}
