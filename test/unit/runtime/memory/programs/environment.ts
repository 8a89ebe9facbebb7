/** A process in an environment that lacks something; prints what becomes of monitors and domain. */
import { existsSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { addon } from '../../../../../native/addon.ts';
import { MpiError } from '../../../../../runtime/base/error.ts';
import { UringDomain } from '../../../../../runtime/memory/domains/uring.ts';
import { PinnedMemoryManager } from '../../../../../runtime/memory/manager.ts';
import { openMonitor } from '../../../../../runtime/memory/monitors/open.ts';
import { helpers, ok, RLIMIT, SYS } from '../../../../tools/native/helpers.ts';

const { EPERM, ENOSYS } = constants.errno;

const LACK: Record<string, () => void> = {
  nothing() {},
  'userfaultfd-forbidden': () => ok(helpers().forbid(SYS.userfaultfd, EPERM)),
  'userfaultfd-missing': () => ok(helpers().forbid(SYS.userfaultfd, ENOSYS)),
  'io_uring-forbidden': () => ok(helpers().forbid(SYS.ioUringSetup, EPERM)),
  'io_uring-missing': () => ok(helpers().forbid(SYS.ioUringSetup, ENOSYS)),
  descriptors() {
    // Below the first number that is free, all are in use.
    const open = new Set(readdirSync('/proc/self/fd').filter((fd) => existsSync(`/dev/fd/${fd}`)));
    let free = 0;
    while (open.has(String(free))) free++;
    ok(helpers().limit(RLIMIT.nofile, free));
  },
  privilege,
  'locked-memory'() {
    ok(helpers().limit(RLIMIT.memlock, 0));
    privilege();
  },
};

function privilege(): void {
  process.setgid!(65534);
  process.setuid!(65534);
}

function outcome(make: () => string): string {
  try {
    return make();
  } catch (error) {
    if (error instanceof MpiError) return error.code;
    throw error;
  }
}

/** The message of the error. */
function says(make: () => string): string {
  try {
    return make();
  } catch (error) {
    return (error as Error).message;
  }
}

/** Opens and closes a monitor; answers its name. */
function monitor(name?: 'dreg' | 'userfaultfd' | 'auto'): string {
  const opened = openMonitor(name);
  opened.close();
  return opened.name;
}

function domain(): string {
  new UringDomain({ entries: 4 }).attach().close();
  return 'works';
}

/** One lease and its end. */
function lease(): string {
  const domain = new UringDomain({ entries: 4 });
  const manager = new PinnedMemoryManager({ monitor: openMonitor('auto'), domain });
  manager.acquire(new Uint8Array(100_000)).release();
  const { misses } = manager.stats();
  manager.close();
  return `${misses} misses`;
}

// Node and the addons open what they need before descriptors run out.
process.stdout.write('');
addon();
helpers();
LACK[process.argv[2]]();
console.log(
  JSON.stringify({
    dreg: outcome(() => monitor('dreg')),
    dregSays: says(() => monitor('dreg')),
    userfaultfd: outcome(() => monitor('userfaultfd')),
    auto: outcome(() => monitor('auto')),
    environment: outcome(() => monitor()),
    domain: outcome(domain),
    domainSays: says(domain),
    manager: outcome(lease),
  }),
);
