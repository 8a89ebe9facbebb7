/** Two queue pairs of one RDMA device: one end through the pinned-memory manager, the other plainly. */
import { addon } from '../../../native/addon.ts';
import { ACCESS } from '../../../runtime/memory/domain.ts';
import type { Lease } from '../../../runtime/memory/lease.ts';
import { type ManagerOptions, PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import type { Monitor } from '../../../runtime/memory/monitor.ts';
import { type MonitorName, openMonitor } from '../../../runtime/memory/monitors/open.ts';
import type { QueuePair } from '../../../transports/verbs/device/queue-pair.ts';
import {
  VerbsDomain,
  type VerbsOperation,
  verbsExport,
  verbsRead,
  verbsWrite,
} from '../../../transports/verbs/rdma/domain.ts';
import { Pair } from '../../guest/rdma/pair.ts';
import type { Mover } from './mover.ts';

/** Who uses the managed memory: the queue at our end, or that of the peer, by the key it was given. */
export const SIDES = ['initiator', 'exposer'] as const;
export type Side = (typeof SIDES)[number];

/** For so long an operation may take before the test gives up. */
const PATIENCE_MS = 20_000;
const FAR_BYTES = 2 * 2 ** 20;

export class VerbsChannel implements Mover {
  readonly manager: PinnedMemoryManager<VerbsOperation>;
  readonly monitorName: string;
  readonly caches: boolean;
  readonly side: Side;
  readonly #options: Partial<ManagerOptions<VerbsOperation>>;
  readonly #pair: Pair;
  readonly #ownsPair: boolean;
  /** The other end's memory: registered once, never touched by the scenarios. */
  readonly #far = new Uint8Array(FAR_BYTES);
  readonly #farRegion: { region: number; address: number; key: number };

  constructor(
    monitor: Monitor,
    side: Side,
    options: Partial<ManagerOptions<VerbsOperation>> = {},
    pair?: Pair,
  ) {
    this.side = side;
    this.#options = options;
    this.#ownsPair = pair === undefined;
    this.#pair = pair ?? new Pair();
    this.monitorName = monitor.name;
    this.caches = monitor.caches;
    const { localWrite, remoteWrite, remoteRead } = ACCESS;
    this.#farRegion = this.#pair.register(this.#far, localWrite | remoteWrite | remoteRead);
    this.manager = new PinnedMemoryManager({
      monitor,
      domain: new VerbsDomain(this.#pair.device),
      audit: true,
      ...options,
    });
  }

  sibling(): VerbsChannel {
    const monitor = openMonitor(this.monitorName as MonitorName);
    return new VerbsChannel(monitor, this.side, this.#options, this.#pair);
  }

  /** By WRITE of ours, or by READ of the peer's. */
  send(view: Uint8Array): Uint8Array {
    this.#far.fill(0xee, 0, view.length);
    if (this.side === 'initiator')
      this.#initiate(view, ACCESS.localRead, (done) =>
        verbsWrite(this.#pair.left, this.#farRegion.address, this.#farRegion.key, done),
      );
    else this.#expose(view, 'out');
    return this.#far.slice(0, view.length);
  }

  /** By READ of ours, or by WRITE of the peer's. */
  receive(view: Uint8Array, bytes: Uint8Array, meanwhile?: () => void): void {
    this.#far.set(bytes);
    const part = view.subarray(0, bytes.length);
    if (this.side === 'initiator')
      this.#initiate(
        part,
        ACCESS.localWrite,
        (done) => verbsRead(this.#pair.left, this.#farRegion.address, this.#farRegion.key, done),
        meanwhile,
      );
    else this.#expose(part, 'in', meanwhile);
  }

  close(): void {
    this.manager.close();
    this.#pair.device.deregister(this.#farRegion.region);
    if (this.#ownsPair) this.#pair.close();
  }

  #initiate(
    view: Uint8Array,
    access: number,
    make: (done: (result: number) => void) => VerbsOperation,
    meanwhile?: () => void,
  ): void {
    const lease = this.manager.acquire(view, access);
    meanwhile?.();
    let result: number | undefined;
    const operation = make((moved) => {
      result = moved;
    });
    this.#posted(this.manager.post(operation, lease));
    this.#wait(() => result !== undefined);
    if (operation.kind === 'write') this.#placed(this.#pair.left);
    this.#ended(lease, result, view.length);
  }

  #expose(view: Uint8Array, direction: 'in' | 'out', meanwhile?: () => void): void {
    const { remoteRead, remoteWrite, localWrite } = ACCESS;
    const access = direction === 'out' ? remoteRead : localWrite | remoteWrite;
    const lease = this.manager.acquire(view, access);
    let result: number | undefined;
    const exported = verbsExport(direction, (address, key) => {
      meanwhile?.();
      const kind = direction === 'out' ? 'read' : 'write';
      const { region, address: far } = this.#farRegion;
      const done = (moved: number) => {
        result = moved;
      };
      this.#posted(this.#pair.right.rdma(kind, region, far, view.length, address, key, done));
    });
    this.#posted(this.manager.post(exported, lease));
    this.#wait(() => result !== undefined);
    if (direction === 'in') this.#placed(this.#pair.right);
    this.#ended(lease, result, view.length);
  }

  /** What was written is there. */
  #placed(queue: QueuePair): void {
    let placed = false;
    this.#pair.placed(queue, () => {
      placed = true;
    });
    this.#wait(() => placed);
  }

  #posted(answer: number): void {
    if (answer < 0) throw new Error(`the operation was not posted: ${answer}`);
  }

  #ended(lease: Lease, result: number | undefined, length: number): void {
    lease.release();
    if (result !== length) throw new Error(`the operation failed: ${result} instead of ${length}`);
  }

  #wait(so: () => boolean): void {
    const { device } = this.#pair;
    const until = performance.now() + PATIENCE_MS;
    while (!so() && performance.now() < until) {
      if (device.poll() > 0) continue;
      device.arm();
      if (device.poll() === 0) addon().pollReadable(device.wakeFd, 100);
      device.disarm();
    }
  }
}
