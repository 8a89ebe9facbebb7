/** Several ranks of an RDMA device within this process: each opens it for itself, as processes would. */

import { PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import { NoneMonitor } from '../../../runtime/memory/monitors/none.ts';
import { VerbsDevice } from '../../../transports/verbs/device/device.ts';
import type { VerbsJob } from '../../../transports/verbs/peers.ts';
import { VerbsDomain } from '../../../transports/verbs/rdma/domain.ts';
import { VerbsTransport } from '../../../transports/verbs/transport.ts';

let jobs = 0;

/** The launcher's key-value space of a job whose ranks live in one process. */
export function localJobs(size: number): VerbsJob[] {
  const values = new Map<string, string>();
  const jobId = `test ${process.pid} ${++jobs}`;
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    jobId,
    put: (key, value) => void values.set(key, value),
    get: (key) => values.get(key),
    fence() {},
  }));
}

export class VerbsGroup {
  readonly devices: VerbsDevice[];
  readonly transports: VerbsTransport[];
  readonly managers: PinnedMemoryManager[] = [];

  constructor(size: number) {
    const all = localJobs(size);
    this.devices = all.map(() => VerbsDevice.open());
    this.transports = all.map((job, rank) => new VerbsTransport(this.devices[rank], job));
    for (const [rank, transport] of this.transports.entries()) {
      const domain = new VerbsDomain(this.devices[rank]);
      const manager = new PinnedMemoryManager({ monitor: new NoneMonitor(), domain });
      transport.memory = manager;
      this.managers.push(manager as unknown as PinnedMemoryManager);
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
