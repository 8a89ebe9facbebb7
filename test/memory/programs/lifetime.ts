/**
 * A process with a manager, which never closes it.
 * `idle`: has sent something; nothing is under way. Must end by itself.
 * `reading`: waits for one byte on standard input. Must not end before.
 */
import { ACCESS } from '../../../runtime/memory/domain.ts';
import { UringDomain, uringRead } from '../../../runtime/memory/domains/uring.ts';
import { PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import { UserfaultfdMonitor } from '../../../runtime/memory/monitors/userfaultfd.ts';

const monitor = new UserfaultfdMonitor();
const manager = new PinnedMemoryManager({ monitor, domain: new UringDomain({ entries: 4 }) });
const lease = manager.acquire(new Uint8Array(2 ** 20), ACCESS.localWrite);
if (process.argv[2] === 'reading') {
  const done = (result: number) => console.log(`read ${result}`);
  manager.post(uringRead(0, done), lease, 0, 1);
  console.log('waiting');
}
