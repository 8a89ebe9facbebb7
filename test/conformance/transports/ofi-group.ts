/** Several ranks of libfabric's provider over TCP within this process: each opens its endpoint, as processes would. */
import { PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import { NoneMonitor } from '../../../runtime/memory/monitors/none.ts';
import { OfiDevice } from '../../../transports/ofi/device/endpoint.ts';
import { OfiDomain } from '../../../transports/ofi/rdma/domain.ts';
import { OfiTransport } from '../../../transports/ofi/transport.ts';
import { localJobs } from './verbs-group.ts';

/** Peers within this process do not poll while one of them closes: it need not wait for them long. */
const LEFT_MS = 20;

export class OfiGroup {
  readonly devices: OfiDevice[];
  readonly transports: OfiTransport[];
  readonly managers: { close(): void }[] = [];

  constructor(size: number) {
    process.env.DREG_OFI_INTERFACE = '127.0.0.0/8';
    const jobs = localJobs(size);
    this.devices = jobs.map(() => OfiDevice.open());
    this.transports = jobs.map((job, rank) => new OfiTransport(this.devices[rank], job, LEFT_MS));
    for (const [rank, transport] of this.transports.entries()) {
      const domain = new OfiDomain(this.devices[rank]);
      const manager = new PinnedMemoryManager({ monitor: new NoneMonitor(), domain });
      transport.memory = manager;
      this.managers.push(manager);
    }
  }

  /** Until both may send. */
  meet(a: number, b: number): void {
    const handler = {
      onPacket() {},
      onPeerError(_peer: number, error: Error) {
        throw error;
      },
    };
    const [one, other] = [this.transports[a], this.transports[b]];
    const channels = [one.connect(b), other.connect(a)];
    for (let i = 0; i < 1_000_000; i++) {
      one.poll(handler);
      other.poll(handler);
      if (channels.every(({ state }) => state === 'ready')) return;
    }
    throw new Error('the ranks do not meet');
  }

  close(): void {
    for (const transport of this.transports) transport.close();
    for (const manager of this.managers) manager.close();
    for (const device of this.devices) device.close();
  }
}
