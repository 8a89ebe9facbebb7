/** Two queue pairs of one RDMA device: one end through the pinned-memory manager, the other plainly. */
import { addon } from '../../../native/addon.ts';
import { ACCESS } from '../../../runtime/memory/domain.ts';
import type { ManagerOptions } from '../../../runtime/memory/manager.ts';
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
import { ManagedMover, type Mover } from './mover.ts';

/** Who uses the managed memory: the queue at our end, or that of the peer, by the key it was given. */
export const SIDES = ['initiator', 'target'] as const;
export type Side = (typeof SIDES)[number];

/** For so long an operation may take before the test gives up. */
const PATIENCE_MS = 120_000;
const FAR_BYTES = 2 * 2 ** 20;

export class VerbsChannel extends ManagedMover<VerbsOperation> implements Mover {
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
    shared?: Pair,
  ) {
    const pair = shared ?? new Pair();
    super(monitor, new VerbsDomain(pair.device), options);
    this.side = side;
    this.#options = options;
    this.#ownsPair = shared === undefined;
    this.#pair = pair;
    const { localWrite, remoteWrite, remoteRead } = ACCESS;
    this.#farRegion = pair.register(this.#far, localWrite | remoteWrite | remoteRead);
  }

  sibling(): VerbsChannel {
    const monitor = openMonitor(this.monitorName as MonitorName);
    return new VerbsChannel(monitor, this.side, this.#options, this.#pair);
  }

  /** By WRITE of ours, or by READ of the peer's. */
  send(view: Uint8Array): Uint8Array {
    this.#far.fill(0xee, 0, view.length);
    const { left } = this.#pair;
    const { address, key } = this.#farRegion;
    if (this.side === 'initiator')
      this.moveAll(view, ACCESS.localRead, (told) => verbsWrite(left, address, key, told), {
        moved: () => this.#placed(left),
      });
    else this.#expose(view, 'out');
    return this.#far.slice(0, view.length);
  }

  /** By READ of ours, or by WRITE of the peer's. */
  receive(view: Uint8Array, bytes: Uint8Array, meanwhile?: () => void): void {
    this.#far.set(bytes);
    const part = view.subarray(0, bytes.length);
    const { address, key } = this.#farRegion;
    if (this.side === 'initiator')
      this.moveAll(
        part,
        ACCESS.localWrite,
        (told) => verbsRead(this.#pair.left, address, key, told),
        { leased: meanwhile },
      );
    else this.#expose(part, 'in', meanwhile);
  }

  close(): void {
    this.manager.close();
    this.#pair.device.deregister(this.#farRegion.region);
    if (this.#ownsPair) this.#pair.close();
  }

  #expose(view: Uint8Array, direction: 'in' | 'out', meanwhile?: () => void): void {
    const { remoteRead, remoteWrite, localWrite } = ACCESS;
    const access = direction === 'out' ? remoteRead : localWrite | remoteWrite;
    const { region, address: far } = this.#farRegion;
    const { right } = this.#pair;
    this.moveAll(
      view,
      access,
      (told) =>
        verbsExport(direction, (address, key) => {
          meanwhile?.();
          const kind = direction === 'out' ? 'read' : 'write';
          const answer = right.rdma(kind, region, far, view.length, address, key, told);
          if (answer < 0) throw new Error(`the operation was not posted: ${answer}`);
        }),
      direction === 'in' ? { moved: () => this.#placed(right) } : {},
    );
  }

  /** What was written is there. */
  #placed(queue: QueuePair): void {
    let placed = false;
    this.#pair.placed(queue, () => {
      placed = true;
    });
    this.wait(() => placed);
  }

  protected wait(so: () => boolean): void {
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
