/**
 * A process that may pin little: sends buffers from cached registrations into a file of memory and
 * receives them back, compares every byte, prints what was counted.
 */
import { readSync, writeSync } from 'node:fs';
import { addon } from '../../../../../native/addon.ts';
import { UringDomain, uringRead, uringWrite } from '../../../../../runtime/memory/domains/uring.ts';
import { PinnedMemoryManager } from '../../../../../runtime/memory/manager.ts';
import { openMonitor } from '../../../../../runtime/memory/monitors/open.ts';
import { helpers, ok, RLIMIT } from '../../../../tools/native/helpers.ts';

interface Task {
  /** RLIMIT_MEMLOCK, in force for a user that nobody else is. */
  memlock?: number;
  /** The same, set when the io_uring is there (its rings count, too). */
  memlockLate?: number;
  /** Bytes of each buffer, buffers, and transfers over all of them. */
  bytes: number;
  buffers: number;
  transfers: number;
  monitor: 'userfaultfd' | 'none' | 'auto';
}

const task = JSON.parse(process.argv[2]) as Task;

/** Users from here on exist nowhere: io_uring counts what a user has locked in all processes. */
const FIRST_UNUSED_UID = 0x4000_0000;

function confine(): void {
  helpers();
  addon();
  if (task.memlock === undefined && task.memlockLate === undefined) return;
  process.setgid!(FIRST_UNUSED_UID + process.pid);
  process.setuid!(FIRST_UNUSED_UID + process.pid);
  if (task.memlock !== undefined) ok(helpers().limit(RLIMIT.memlock, task.memlock));
}

confine();
const domain = new UringDomain({ entries: 4 });
if (task.memlockLate !== undefined) ok(helpers().limit(RLIMIT.memlock, task.memlockLate));
const notices: string[] = [];
const manager = new PinnedMemoryManager({
  monitor: openMonitor(task.monitor),
  domain,
  notice: (line) => notices.push(line),
  audit: true,
});
const file = ok(addon().segmentCreate('dreg-mpi-limits', task.bytes));

/** Posts on the whole view; waits. */
async function move(view: Uint8Array, into: boolean): Promise<void> {
  const lease = manager.acquire(view);
  for (let at = 0; at < view.length; ) {
    const moved = await new Promise<number>((resolve) => {
      const operation = into ? uringRead(file, resolve, at) : uringWrite(file, resolve, at);
      const answer = manager.post(operation, lease, at);
      if (answer < 0) resolve(answer);
    });
    if (moved <= 0) throw new Error(`an operation failed: ${moved}`);
    at += moved;
  }
  lease.release();
}

let wrong = 0;
const buffers = Array.from({ length: task.buffers }, () => new Uint8Array(task.bytes));
const copy = new Uint8Array(task.bytes);
for (let i = 0; i < task.transfers; i++) {
  const view = buffers[i % buffers.length];
  view.fill(i + 1);
  view[view.length - 1] = 200;
  await move(view, false);
  readSync(file, copy, 0, copy.length, 0);
  if (Buffer.compare(copy, view) !== 0) wrong += 1;
  copy.fill(255 - i);
  writeSync(file, copy, 0, copy.length, 0);
  await move(view, true);
  if (Buffer.compare(copy, view) !== 0) wrong += 1;
}
const before = manager.stats();
manager.close();
console.log(JSON.stringify({ wrong, notices, stats: before, after: manager.stats().bytesPinned }));
