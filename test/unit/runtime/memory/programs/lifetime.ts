/**
 * A process with a manager, which never closes it.
 * `idle`: has sent something; nothing is under way. Must end by itself.
 * `reading`: waits for one byte on standard input. Must not end before.
 * `throwing`: two such reads, whose `done`s both throw. Both must be called.
 */
import { ACCESS } from '../../../../../runtime/memory/domain.ts';
import { UringDomain, uringRead } from '../../../../../runtime/memory/domains/uring.ts';
import { PinnedMemoryManager } from '../../../../../runtime/memory/manager.ts';
import { UserfaultfdMonitor } from '../../../../../runtime/memory/monitors/userfaultfd.ts';

const monitor = new UserfaultfdMonitor();
const manager = new PinnedMemoryManager({ monitor, domain: new UringDomain({ entries: 4 }) });
const lease = manager.acquire(new Uint8Array(2 ** 20), ACCESS.localWrite);
const mode = process.argv[2];
if (mode !== 'idle') {
  process.on('uncaughtException', (error) => console.log(error.message));
  const done = (result: number) => console.log(`read ${result}`);
  const fail = () => {
    throw new Error('done has thrown');
  };
  const throwing = mode === 'throwing';
  manager.post(uringRead(0, throwing ? fail : done), lease, 0, 1);
  if (throwing) manager.post(uringRead(0, fail), lease, 0, 1);
  console.log('waiting');
}
