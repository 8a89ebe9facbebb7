/** Two queue pairs of one device, connected with each other: everything goes out and comes back. */
import { addon } from '../../../native/addon.ts';
import type { MpiError } from '../../../runtime/base/error.ts';
import type { ConnectionManager } from '../../../transports/verbs/connect/connections.ts';
import type { ReceiveQueue, SendArea } from '../../../transports/verbs/device/areas.ts';
import { VerbsDevice } from '../../../transports/verbs/device/device.ts';
import type { QueuePair } from '../../../transports/verbs/device/queue-pair.ts';
import { introduce } from './introduce.ts';

export const SLOT_BYTES = 4096;
export const SLOTS = 16;
export const DEPTH = 16;
export const INLINE_BYTES = 128;
const PSN = 0x1234;
const LOCAL_WRITE = 1;
const REMOTE_WRITE = 2;

/** For so long something may take before the test gives up. */
const PATIENCE_MS = 120_000;

export interface Received {
  queue: QueuePair;
  bytes: Uint8Array;
}

export class Pair {
  readonly device: VerbsDevice;
  readonly receives: ReceiveQueue;
  readonly area: SendArea;
  readonly left: QueuePair;
  readonly right: QueuePair;
  readonly received: Received[] = [];
  readonly errors: MpiError[] = [];
  /** On iWARP; it is looked at by {@link until}. */
  readonly connections: ConnectionManager | undefined;
  /** Connections of the queue pairs that have ended. */
  ended = 0;

  constructor(slots = SLOTS) {
    this.device = VerbsDevice.open();
    this.receives = this.device.openReceiveQueue(SLOT_BYTES);
    this.receives.grow(slots);
    this.area = this.device.openSendArea(DEPTH * SLOT_BYTES);
    this.left = this.#queue();
    this.right = this.#queue();
    if (this.device.link === 'iwarp') {
      this.connections = introduce(this.device, this.left, this.right);
    } else {
      this.left.connect(this.#address(this.right), PSN);
      this.right.connect(this.#address(this.left), PSN);
    }
    this.device.onReceive = (queue, slot, bytes) => {
      const start = slot * SLOT_BYTES;
      this.received.push({ queue, bytes: this.receives.bytes.slice(start, start + bytes) });
      this.receives.post(slot);
    };
  }

  /** Polls until it is so. Gives the processor away: software devices need it. */
  async until(what: string, so: () => boolean): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!so()) {
      if (this.device.poll() > 0) continue;
      if (this.connections?.next()?.kind === 'ended') this.ended += 1;
      if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Registers an array for the life of the device. */
  register(bytes: Uint8Array, access: number): { region: number; address: number; key: number } {
    const address = addon().addressOf(bytes);
    // On iWARP the answer to a READ is a write of the peer's.
    const sink = this.device.link === 'iwarp' && (access & LOCAL_WRITE) !== 0;
    const allowed = sink ? access | REMOTE_WRITE : access;
    const region = this.device.register(address, bytes.length, allowed);
    if (region < 0) throw new Error(`not registered: ${region}`);
    return { region, address, key: this.device.rkeyOf(region) };
  }

  /** One RDMA operation of the left queue; its result. */
  async rdma(
    kind: 'read' | 'write',
    region: number,
    address: number,
    length: number,
    remote: number,
    key: number,
  ): Promise<number> {
    let result: number | undefined;
    const answer = this.left.rdma(kind, region, address, length, remote, key, (moved) => {
      result = moved;
    });
    if (answer < 0) return answer;
    await this.until(`an RDMA ${kind}`, () => result !== undefined);
    return result!;
  }

  /**
   * `done` once what `queue` has written is in the peer's memory. RoCE and InfiniBand complete a WRITE
   * no earlier; iWARP when it has left (RFC 5040, 5.5), and a READ behind it comes back after it.
   */
  placed(queue: QueuePair, done: () => void): void {
    if (this.device.link !== 'iwarp') {
      done();
      return;
    }
    const answer = queue.probe(done);
    if (answer < 0) throw new Error(`the operation was not posted: ${answer}`);
  }

  close(): void {
    this.left.close();
    this.right.close();
    this.connections?.close();
    this.device.close();
  }

  #queue(): QueuePair {
    const queue = this.device.createQueuePair({ sendDepth: DEPTH, inlineBytes: INLINE_BYTES });
    queue.onError = (error) => this.errors.push(error);
    return queue;
  }

  #address(queue: QueuePair) {
    const { lid, gid, mtu } = this.device;
    return { number: queue.number, psn: PSN, lid, gid, mtu };
  }
}
