/**
 * How much may be pinned (rule R7): by the program, the environment, and the machine. The kernel decides in
 * the end. A budget only avoids requests that the kernel would refuse.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MpiError } from '../base/error.ts';

/** Budgets of one manager. */
export interface Budget {
  /** Bytes pinned at one time. */
  bytes: number;
  /** Registrations at one time. */
  regions: number;
  /** What `bytes` comes from, for the notice. */
  source: string;
  /** What raises it. */
  fix: string;
}

/** Share of the memory of the machine or the cgroup that may be pinned, where no other limit is lower. */
export const MEMORY_SHARE = 0.5;

/** CAP_IPC_LOCK, which lifts RLIMIT_MEMLOCK: its bit in CapEff. */
const CAP_IPC_LOCK = 14n;

/** Files are read through this, so that tests can show another machine. */
export type ReadText = (path: string) => string | undefined;

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** What raises RLIMIT_MEMLOCK. */
export const MEMLOCK_FIX =
  'raise it with "ulimit -l", memlock in /etc/security/limits.conf, or LimitMEMLOCK=';

/** RLIMIT_MEMLOCK's soft value in bytes; Infinity where it does not bind this process. */
export function lockedMemoryLimit(read: ReadText = readText): number {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status') ?? '')?.[1] ?? '0';
  if ((BigInt(`0x${capabilities}`) >> CAP_IPC_LOCK) & 1n) return Infinity;
  const soft = /^Max locked memory\s+(\S+)/m.exec(read('/proc/self/limits') ?? '')?.[1];
  return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft);
}

/** A cgroup as the kernel shows it in files. */
interface MemoryCgroup {
  /** The number in one of its files; NaN where there is none, or "max". */
  value(v2Name: string, v1Name: string): number;
  /** A line of its memory.stat; 0 without it. */
  stat(v2Name: string, v1Name: string): number;
}

/** The cgroups whose memory limits bind this process (v2 and v1). */
function* memoryCgroups(read: ReadText): Generator<MemoryCgroup> {
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const v2 = controllers === '';
    if (!v2 && !controllers!.split(',').includes('memory')) continue;
    const root = v2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory';
    // A limit of any folder above counts as well. In a container the path may not exist; the container's
    // own limit is then at the root.
    for (let folder = path; ; folder = join(folder, '..')) {
      const text = (name: string) => read(join(root, folder, name))?.trim();
      yield {
        value: (v2Name, v1Name) => Number(text(v2 ? v2Name : v1Name) || Number.NaN),
        stat: (v2Name, v1Name) =>
          Number(
            new RegExp(`^${v2 ? v2Name : v1Name} (\\d+)$`, 'm').exec(
              text('memory.stat') ?? '',
            )?.[1] ?? 0,
          ),
      };
      if (folder === '/' || folder === '.' || folder === '') break;
    }
  }
}

/** The least memory limit of this process's cgroups; Infinity without one. */
export function cgroupLimit(read: ReadText = readText): number {
  let least = Infinity;
  for (const cgroup of memoryCgroups(read)) {
    const bytes = cgroup.value('memory.max', 'memory.limit_in_bytes');
    if (bytes < least) least = bytes;
  }
  return least;
}

/**
 * Bytes that may be added before a cgroup of this process is at its limit, whoever in the cgroup uses the
 * rest; Infinity without a limit. The kernel first gives up memory that it keeps of files. So all of the
 * memory that was read once counts as free, and half of the memory that was read again and may be needed,
 * such as that of programs that run.
 */
export function cgroupLeft(read: ReadText = readText): number {
  let least = Infinity;
  for (const cgroup of memoryCgroups(read)) {
    const limit = cgroup.value('memory.max', 'memory.limit_in_bytes');
    const used = cgroup.value('memory.current', 'memory.usage_in_bytes');
    if (Number.isNaN(limit) || Number.isNaN(used)) continue;
    const inactive = cgroup.stat('inactive_file', 'total_inactive_file');
    const active = cgroup.stat('active_file', 'total_active_file');
    least = Math.min(least, Math.max(0, limit - used + inactive + active / 2));
  }
  return least;
}

function machineMemory(read: ReadText): number {
  const kibibytes = /^MemTotal:\s*(\d+)/m.exec(read('/proc/meminfo') ?? '')?.[1];
  return kibibytes === undefined ? Infinity : Number(kibibytes) * 1024;
}

/** A positive whole number of an environment variable, with the suffixes K, M and G. */
function sizeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const [, digits, suffix] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  if (digits === undefined)
    throw new MpiError('ERR_ARG', `${name} is "${text}"; it must be a number like 65536, 64K, 8M`);
  const scale = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[suffix!.toUpperCase()]!;
  return Number(digits) * scale;
}

function checkLimit(name: string, value: number | undefined): number | undefined {
  if (value !== undefined && (Number.isNaN(value) || value < 0))
    throw new MpiError('ERR_ARG', `limits.${name} is ${value}; it must be 0 or more`);
  return value;
}

/**
 * How much a manager may register. The environment or the machine decides about values that are left out.
 */
export interface Limits {
  /** Bytes that are pinned at one time. */
  bytes?: number;
  /** Registrations at one time. */
  regions?: number;
}

/**
 * The budgets: the program's first, then the environment's, then what the machine allows.
 * @environment DREG_PIN_BYTES | bytes, with K, M or G | how much memory of the program may be pinned
 *   ([limits](../guide/registration-cache.md#limits))
 * @environment DREG_PIN_REGIONS | a number, with K, M or G | registrations at one time
 */
export function budgetOf(
  limits: Limits,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  read: ReadText = readText,
): Budget {
  const regions =
    checkLimit('regions', limits.regions) ??
    sizeOf('DREG_PIN_REGIONS', environment.DREG_PIN_REGIONS) ??
    Infinity;
  const given = checkLimit('bytes', limits.bytes);
  if (given !== undefined)
    return { bytes: given, regions, source: 'limits.bytes', fix: 'give a larger limits.bytes' };
  const named = sizeOf('DREG_PIN_BYTES', environment.DREG_PIN_BYTES);
  if (named !== undefined)
    return { bytes: named, regions, source: 'DREG_PIN_BYTES', fix: 'set a larger DREG_PIN_BYTES' };
  const candidates: Omit<Budget, 'regions'>[] = [
    {
      bytes: lockedMemoryLimit(read),
      source: 'RLIMIT_MEMLOCK',
      fix: MEMLOCK_FIX,
    },
    {
      bytes: Math.floor(cgroupLimit(read) * MEMORY_SHARE),
      source: "half of the cgroup's memory limit",
      fix: 'raise memory.max of the cgroup (--memory of a container)',
    },
    {
      bytes: Math.floor(machineMemory(read) * MEMORY_SHARE),
      source: 'half of the memory of the machine',
      fix: 'set DREG_PIN_BYTES if more may be pinned',
    },
  ];
  return { ...candidates.reduce((a, b) => (b.bytes < a.bytes ? b : a)), regions };
}
