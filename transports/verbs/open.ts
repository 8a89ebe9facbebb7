/**
 * What a rank needs for RDMA: the device, the transport over it, and the pinned-memory manager that
 * registers for the transport. Only a job whose ranks need RDMA loads this file and its imports.
 */

import type { Job } from '../../runtime/job/job.ts';
import { ACCESS } from '../../runtime/memory/domain.ts';
import { PinnedMemoryManager } from '../../runtime/memory/manager.ts';
import { openMonitor } from '../../runtime/memory/monitors/open.ts';
import { VerbsDevice } from './device/device.ts';
import { addressKey } from './peers.ts';
import { VerbsDomain } from './rdma/domain.ts';
import { VerbsTransport } from './transport.ts';

/** Memory of MPI.allocate() is sent and received, by either end. */
const EVERY_ACCESS = ACCESS.localRead | ACCESS.localWrite | ACCESS.remoteRead | ACCESS.remoteWrite;

/** Opens the device. @throws MpiError ERR_UNSUPPORTED, ERR_ARG, ERR_SYSTEM */
export function openDevice(): VerbsDevice {
  return VerbsDevice.open();
}

/** Whether a rank is reached over RDMA, once all have met. */
export const hasAddress = (job: Job, rank: number) => job.get(addressKey(rank), rank) !== undefined;

/** Meets the job's other ranks; collective. @throws MpiError ERR_NO_MEM, ERR_SYSTEM, ERR_ARG */
export function openRdma(job: Job, device: VerbsDevice) {
  // Before the other ranks are met: a monitor that cannot be opened is an error of this rank alone.
  const monitor = openMonitor();
  const transport = new VerbsTransport(device, job);
  const manager = new PinnedMemoryManager({ monitor, domain: new VerbsDomain(device) });
  transport.memory = manager;
  return {
    transport,
    stats: () => manager.stats(),
    keep: (buffer: ArrayBufferLike) => manager.keep(buffer, EVERY_ACCESS),
    /** After the transport, which has given its leases back by then. */
    close(): void {
      manager.close();
      device.close();
    },
  };
}

export type Rdma = ReturnType<typeof openRdma>;
