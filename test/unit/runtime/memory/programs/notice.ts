/** A process with two managers, and a worker with one more; each of them meets its limit. */
import { once } from 'node:events';
import { isMainThread, Worker } from 'node:worker_threads';
import { UringDomain } from '../../../../../runtime/memory/domains/uring.ts';
import { PinnedMemoryManager } from '../../../../../runtime/memory/manager.ts';
import { openMonitor } from '../../../../../runtime/memory/monitors/open.ts';

const BYTES = 2 ** 20;

/** Leases more than may be pinned, more than once; answers whether the limit was in the way. */
function meetLimit(): boolean {
  const domain = new UringDomain({ entries: 4 });
  const manager = new PinnedMemoryManager({ monitor: openMonitor('userfaultfd'), domain });
  let registered = false;
  for (let i = 0; i < 3; i++) {
    const lease = manager.acquire(new Uint8Array(BYTES));
    registered ||= lease.registered;
    lease.release();
  }
  manager.close();
  return !registered;
}

const met = [meetLimit()];
if (isMainThread) {
  met.push(meetLimit());
  const worker = new Worker(new URL(import.meta.url));
  const [status] = await once(worker, 'exit');
  met.push(status === 0);
}
if (met.includes(false)) process.exit(1);
