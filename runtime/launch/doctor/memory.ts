/** Registered memory: which monitor, which domain, and how much may be pinned. */
import { constants } from 'node:os';
import { SHARED } from '../../../native/dreg.ts';
import type { MpiError } from '../../base/error.ts';
import { UringDomain } from '../../memory/domains/uring.ts';
import { budgetOf, cgroupLimit, lockedMemoryLimit } from '../../memory/limits.ts';
import { type MonitorName, openMonitor } from '../../memory/monitors/open.ts';
import { formatBytes } from '../../memory/notice.ts';
import { type Finding, lacks, probed, works } from './finding.ts';

const { EACCES, EMFILE, ENODEV, ENOENT, ENOSYS, ENXIO, EPERM } = constants.errno;

/** With a budget below this the registration cache drops registrations that it will need again. */
const BUDGET_SMALL = 64 * 2 ** 20;

export function registeredMemory(): Finding[] {
  return [dreg(), userfaultfd(), chosen(), locked(), ioUring()];
}

/** Tries a monitor as the manager would open it. */
function monitor(name: MonitorName, remedy: (error: MpiError) => string, says: string): Finding {
  const needed = process.env.DREG_MONITOR === name;
  return probed(name, { needed, remedy }, () => {
    const opened = openMonitor(name);
    const abi = opened.header[SHARED.abi];
    opened.close();
    return name === 'dreg' ? works(name, `${says}, ABI ${abi}`, { abi }) : works(name, says);
  });
}

function dreg(): Finding {
  return monitor('dreg', dregRemedy, '/dev/dreg');
}

function dregRemedy({ errno, syscall }: MpiError): string {
  if (syscall === 'ioctl')
    return 'load the dreg.ko of this version of the package (docs/operating/dreg.md)';
  if (errno === ENOENT || errno === ENXIO || errno === ENODEV)
    return 'modprobe dreg; it is built from kernel/ (docs/operating/dreg.md), and a container needs --device /dev/dreg';
  if (errno === EACCES || errno === EPERM)
    return 'install kernel/packaging/60-dreg.rules, which lets every user open /dev/dreg';
  return 'see "dmesg" and docs/operating/dreg.md';
}

function userfaultfd(): Finding {
  return monitor('userfaultfd', uffdRemedy, 'user mode only, without privilege');
}

function uffdRemedy({ errno }: MpiError): string {
  if (errno === EPERM) return "allow userfaultfd in the container's seccomp profile";
  if (errno === ENOSYS) return 'use Linux 5.7 or newer with CONFIG_USERFAULTFD';
  if (errno === EMFILE) return 'raise the limit of open files: ulimit -n';
  return 'docs/internals/userfaultfd.md says what it needs';
}

/** The monitor that a job gets. */
function chosen(): Finding {
  const asked = process.env.DREG_MONITOR || 'auto';
  const remedy = 'unset DREG_MONITOR, or set it to one that works here';
  return probed('monitor', { needed: true, remedy }, () => {
    const opened = openMonitor();
    const { name, caches } = opened;
    opened.close();
    const says = `DREG_MONITOR=${asked} takes ${name}`;
    if (caches) return works('monitor', says, { asked, name });
    const without = `${says}: each operation registers its memory anew`;
    if (asked === 'none') return works('monitor', without, { asked, name });
    return {
      ...lacks('monitor', without, { remedy: 'load dreg.ko, or allow userfaultfd' }),
      facts: { asked, name },
    };
  });
}

function locked(): Finding {
  const part = 'pinned memory';
  return probed(part, { needed: true, remedy: 'correct or unset that variable' }, () => {
    const { bytes, source, fix } = budgetOf({});
    const says = `${formatBytes(bytes)}: ${source}`;
    const facts = {
      bytes,
      source,
      memlock: finite(lockedMemoryLimit()),
      cgroup: finite(cgroupLimit()),
    };
    if (bytes >= BUDGET_SMALL) return works(part, says, facts);
    return { ...lacks(part, `only ${says}`, { remedy: fix }), facts };
  });
}

/** JSON knows no infinity. */
const finite = (bytes: number) => (Number.isFinite(bytes) ? bytes : null);

function ioUring(): Finding {
  const remedy =
    'sysctl kernel.io_uring_disabled=0; allow io_uring in the seccomp profile; use Linux 5.19 or newer';
  return probed('io_uring', { remedy }, () => {
    const { canSend } = UringDomain.probe();
    const says = canSend
      ? 'fixed buffers, zero-copy send'
      : 'fixed buffers (no zero-copy send before 6.0)';
    return works('io_uring', says, { canSend });
  });
}
