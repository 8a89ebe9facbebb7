/** Moves bytes between managed memory of rank 0 and rank 1 on another node, by either's RDMA. */
import { ACCESS } from '../../../runtime/memory/domain.ts';
import type { ManagerOptions } from '../../../runtime/memory/manager.ts';
import type { Monitor } from '../../../runtime/memory/monitor.ts';
import { type MonitorName, openMonitor } from '../../../runtime/memory/monitors/open.ts';
import {
  VerbsDomain,
  type VerbsOperation,
  verbsExport,
  verbsRead,
  verbsWrite,
} from '../../../transports/verbs/rdma/domain.ts';
import { ManagedMover, type Mover } from '../../conformance/domains/mover.ts';
import type { Side } from '../../conformance/domains/verbs-channel.ts';
import type { End } from './far-end.ts';

export class FarMover extends ManagedMover<VerbsOperation> implements Mover {
  readonly #side: Side;
  readonly #end: End;

  constructor(
    end: End,
    monitor: Monitor,
    side: Side,
    options: Partial<ManagerOptions<VerbsOperation>> = {},
  ) {
    super(monitor, new VerbsDomain(end.device), options);
    this.#end = end;
    this.#side = side;
  }

  sibling(): FarMover {
    return new FarMover(this.#end, openMonitor(this.monitorName as MonitorName), this.#side);
  }

  /** By WRITE of ours, or by READ of the peer's. */
  send(view: Uint8Array): Uint8Array {
    const end = this.#end;
    const got = new Uint8Array(view.length);
    if (this.#side === 'target') this.#export(view, 'read');
    else {
      const { address, key } = end.remote;
      this.moveAll(view, ACCESS.localRead, (told) => verbsWrite(end.queue, address, key, told));
      end.tell({ what: 'look', length: view.length });
    }
    end.passed(got);
    return got;
  }

  /** By READ of ours, or by WRITE of the peer's. */
  receive(view: Uint8Array, bytes: Uint8Array, meanwhile?: () => void): void {
    const end = this.#end;
    const { length } = bytes;
    const part = view.subarray(0, length);
    if (this.#side === 'target') {
      this.#export(part, 'write', bytes, meanwhile);
      return;
    }
    end.tell({ what: 'set', length });
    end.pass(bytes);
    end.answered();
    const { address, key } = end.remote;
    const read = (told: (result: number) => void) => verbsRead(end.queue, address, key, told);
    this.moveAll(part, ACCESS.localWrite, read, { leased: meanwhile });
  }

  close(): void {
    this.manager.close();
  }

  protected wait(so: () => boolean): void {
    this.#end.wait(so);
  }

  /** The peer reads the view, or writes `bytes` into it. */
  #export(
    view: Uint8Array,
    what: 'read' | 'write',
    bytes?: Uint8Array,
    meanwhile?: () => void,
  ): void {
    const end = this.#end;
    const { remoteRead, remoteWrite, localWrite } = ACCESS;
    const access = what === 'read' ? remoteRead : localWrite | remoteWrite;
    let over: (result: number) => void = () => {};
    this.moveAll(
      view,
      access,
      (told) => {
        over = told;
        return verbsExport(what === 'read' ? 'out' : 'in', (address, key) => {
          meanwhile?.();
          end.tell({ what, length: view.length, address, key });
          if (bytes) end.pass(bytes);
        });
      },
      { posted: () => over(end.answered()) },
    );
  }
}
