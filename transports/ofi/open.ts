/**
 * What a rank needs for a network by libfabric: the endpoint, the transport over it, and the pinned-memory
 * manager that registers for the transport. Only a job whose ranks need it loads this file and its imports.
 */
import type { Job } from '../../runtime/job/job.ts';
import { ACCESS } from '../../runtime/memory/domain.ts';
import { PinnedMemoryManager } from '../../runtime/memory/manager.ts';
import { openMonitor } from '../../runtime/memory/monitors/open.ts';
import { OfiDevice } from './device/endpoint.ts';
import { OfiDomain } from './rdma/domain.ts';
import { OfiTransport } from './transport.ts';

/** Memory of MPI.allocate() is sent and received, by either end. */
const EVERY_ACCESS = ACCESS.localRead | ACCESS.localWrite | ACCESS.remoteRead | ACCESS.remoteWrite;

/** Opens the endpoint. @throws MpiError ERR_UNSUPPORTED, ERR_ARG, ERR_SYSTEM */
export function openDevice(): OfiDevice {
  return OfiDevice.open();
}

/** Meets the job's other ranks; collective. @throws MpiError ERR_NO_MEM, ERR_SYSTEM, ERR_ARG */
export function openOfi(job: Job, device: OfiDevice) {
  const monitor = openMonitor();
  const transport = new OfiTransport(device, job);
  const manager = new PinnedMemoryManager({ monitor, domain: new OfiDomain(device) });
  transport.memory = manager;
  return {
    transport,
    stats: () => manager.stats(),
    keep: (buffer: ArrayBuffer) => manager.keep(buffer, EVERY_ACCESS),
    /** After the transport, which has given its leases back by then. */
    close(): void {
      manager.close();
      device.close();
    },
  };
}
