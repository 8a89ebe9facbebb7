/** Moves bytes between managed memory of rank 0 and rank 1 on another node, by either's RDMA. */
import { ACCESS } from '../../../runtime/memory/domain.ts';
import { type ManagerOptions, PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import type { Monitor } from '../../../runtime/memory/monitor.ts';
import { type MonitorName, openMonitor } from '../../../runtime/memory/monitors/open.ts';
import {
  VerbsDomain,
  type VerbsOperation,
  verbsExport,
  verbsRead,
  verbsWrite,
} from '../../../transports/verbs/rdma/domain.ts';
import type { Mover } from '../../conformance/domains/mover.ts';
import type { Side } from '../../conformance/domains/verbs-channel.ts';
import type { End } from './far-end.ts';

export class FarMover implements Mover {
  readonly manager: PinnedMemoryManager<VerbsOperation>;
  readonly monitorName: string;
  readonly caches: boolean;
  readonly #side: Side;
  readonly #end: End;

  constructor(
    end: End,
    monitor: Monitor,
    side: Side,
    options: Partial<ManagerOptions<VerbsOperation>> = {},
  ) {
    this.#end = end;
    this.#side = side;
    this.monitorName = monitor.name;
    this.caches = monitor.caches;
    const domain = new VerbsDomain(end.device);
    this.manager = new PinnedMemoryManager({ monitor, domain, audit: true, ...options });
  }

  sibling(): FarMover {
    return new FarMover(this.#end, openMonitor(this.monitorName as MonitorName), this.#side);
  }

  /** By WRITE of ours, or by READ of the peer's. */
  send(view: Uint8Array): Uint8Array {
    const end = this.#end;
    const got = new Uint8Array(view.length);
    if (this.#side === 'exposer') this.#export(view, 'read');
    else {
      const { address, key } = end.remote;
      this.#initiate(view, ACCESS.localRead, (done) => verbsWrite(end.queue, address, key, done));
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
    if (this.#side === 'exposer') {
      this.#export(part, 'write', bytes, meanwhile);
      return;
    }
    end.tell({ what: 'set', length });
    end.pass(bytes);
    end.answered();
    const { address, key } = end.remote;
    const read = (done: (result: number) => void) => verbsRead(end.queue, address, key, done);
    this.#initiate(part, ACCESS.localWrite, read, meanwhile);
  }

  close(): void {
    this.manager.close();
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
    const answer = this.manager.post(operation, lease);
    if (answer >= 0) this.#end.wait(() => result !== undefined);
    lease.release();
    check(answer < 0 ? answer : result, view.length);
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
    const lease = this.manager.acquire(view, access);
    const operation = verbsExport(what === 'read' ? 'out' : 'in', (address, key) => {
      meanwhile?.();
      end.tell({ what, length: view.length, address, key });
      if (bytes) end.pass(bytes);
    });
    const answer = this.manager.post(operation, lease);
    const result = answer < 0 ? answer : end.answered();
    lease.release();
    check(result, view.length);
  }
}

function check(result: number | undefined, length: number): void {
  if (result !== length) throw new Error(`the operation failed: ${result} instead of ${length}`);
}
