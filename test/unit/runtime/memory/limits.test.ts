/** Rule R7: a limit slows a program down, it never fails it; and what the limits are read from. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { MpiError } from '../../../../runtime/base/error.ts';
import type { Stats } from '../../../../runtime/memory/counters.ts';
import {
  budgetOf,
  cgroupLeft,
  cgroupLimit,
  lockedMemoryLimit,
} from '../../../../runtime/memory/limits.ts';
import { testInCgroup } from '../../../tools/cgroup.ts';

const MIB = 2 ** 20;
const PROGRAM = join(packageRoot(), 'dist/programs/unit/runtime/memory/programs/limits.js');

interface Outcome {
  wrong: number;
  notices: string[];
  stats: Stats;
  after: number;
}

function run(task: object, enter: string[] = []): Outcome {
  const words = [...enter, process.execPath, PROGRAM, JSON.stringify(task)];
  const result = spawnSync(words[0], words.slice(1), { encoding: 'utf8' });
  expect(result.stderr).toBe('');
  expect(result.status).toBe(0);
  return JSON.parse(result.stdout) as Outcome;
}

describe('RLIMIT_MEMLOCK', () => {
  test('64 KiB: everything goes through bounce buffers, and one line says why', () => {
    const task = { memlock: 65536, bytes: MIB, buffers: 4, transfers: 16, monitor: 'auto' };
    const { wrong, notices, stats, after } = run(task);
    expect(wrong).toBe(0);
    expect(notices).toEqual([expect.stringMatching(/64 KiB .*RLIMIT_MEMLOCK.* 1 MiB .*ulimit -l/)]);
    expect(stats.bounced).toBe(32);
    expect(stats.bytesPinnedMax).toBeLessThanOrEqual(65536);
    expect(after).toBe(0);
  });

  test('64 KiB, small buffers: they take turns', () => {
    const task = {
      memlock: 65536,
      bytes: 8192,
      buffers: 32,
      transfers: 64,
      monitor: 'userfaultfd',
    };
    const { wrong, notices, stats } = run(task);
    expect(wrong).toBe(0);
    expect(notices).toHaveLength(1);
    expect(stats.evictions).toBeGreaterThan(0);
    expect(stats.hitsIdentity).toBeGreaterThan(0);
    expect(stats.bytesPinnedMax).toBeLessThanOrEqual(65536);
  });

  test('8 MiB with 1 GiB of transfers', () => {
    const task = { memlock: 8 * MIB, bytes: 4 * MIB, buffers: 8, transfers: 128, monitor: 'auto' };
    const { wrong, notices, stats, after } = run(task);
    expect(wrong).toBe(0);
    expect(notices).toHaveLength(1);
    expect(stats.evictions).toBeGreaterThan(0);
    expect(stats.bytesPinnedMax).toBeLessThanOrEqual(8 * MIB);
    expect(after).toBe(0);
  });

  test('0, with no monitor: plain operations', () => {
    const task = { memlockLate: 0, bytes: 65536, buffers: 2, transfers: 4, monitor: 'none' };
    const { wrong, stats } = run(task);
    expect(wrong).toBe(0);
    expect(stats).toMatchObject({ plain: 8, bytesPinnedMax: 0 });
  });

  test('what another process of the user has locked: refused, evicted, bounced', () => {
    // The limit is believed to be larger than it is: the kernel refuses first.
    const task = {
      memlock: 256 * 1024,
      bytes: 128 * 1024,
      buffers: 4,
      transfers: 12,
      monitor: 'auto',
    };
    process.env.DREG_PIN_BYTES = '64M';
    try {
      const { wrong, notices, stats } = run(task);
      expect(wrong).toBe(0);
      expect(notices).toHaveLength(1);
      expect(stats.bytesLimitSource).toBe('DREG_PIN_BYTES');
      expect(stats.evictions).toBeGreaterThan(0);
      expect(stats.bytesPinnedMax).toBeLessThanOrEqual(256 * 1024);
    } finally {
      delete process.env.DREG_PIN_BYTES;
    }
  });
});

describe('the notice on standard error', () => {
  const program = join(packageRoot(), 'dist/programs/unit/runtime/memory/programs/notice.js');
  const run = (environment: Record<string, string>) => {
    const env = { ...process.env, ...environment };
    const { status, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8', env });
    return { status, lines: stderr.split('\n').filter((line) => line !== '') };
  };

  test('one line for two managers and a worker: the limit, the need, and what raises it', () => {
    const { status, lines } = run({ DREG_PIN_BYTES: '64K' });
    expect(status).toBe(0);
    expect(lines).toEqual([
      expect.stringMatching(
        /^dreg-mpi: no more than 64 KiB .*\(DREG_PIN_BYTES\), 1 MiB are needed; .* a larger DREG_PIN_BYTES$/,
      ),
    ]);
  });

  test('none where no limit is met', () => {
    // The program says by its status that it met none.
    expect(run({ DREG_PIN_BYTES: '64M' })).toEqual({ status: 1, lines: [] });
  });
});

describe('cgroup', () => {
  const LIMIT = 320 * MIB;
  testInCgroup('half of the memory that the cgroup allows may be pinned', LIMIT, (enter) => {
    const task = { bytes: 16 * MIB, buffers: 12, transfers: 24, monitor: 'auto' };
    const { wrong, notices, stats } = run(task, enter);
    expect(wrong).toBe(0);
    expect(notices).toEqual([expect.stringContaining('cgroup')]);
    expect(stats.bytesLimit).toBe(LIMIT / 2);
    expect(stats.evictions).toBeGreaterThan(0);
    expect(stats.bytesPinnedMax).toBeLessThanOrEqual(LIMIT / 2);
  });
});

describe('where the limits are read', () => {
  const files = (contents: Record<string, string>) => (path: string) => contents[path];
  const LOCKED = 'Max locked memory         65536                8388608              bytes\n';

  test('RLIMIT_MEMLOCK, unless CAP_IPC_LOCK lifts it', () => {
    const without = {
      '/proc/self/limits': LOCKED,
      '/proc/self/status': 'CapEff:\t0000000000000000\n',
    };
    expect(lockedMemoryLimit(files(without))).toBe(65536);
    const capable = { ...without, '/proc/self/status': 'CapEff:\t0000000000004000\n' };
    expect(lockedMemoryLimit(files(capable))).toBe(Infinity);
    const unlimited = LOCKED.replace('65536  ', 'unlimited');
    expect(lockedMemoryLimit(files({ ...without, '/proc/self/limits': unlimited }))).toBe(Infinity);
    expect(lockedMemoryLimit(files({}))).toBe(Infinity);
  });

  test('the least limit of the cgroup and of all above it', () => {
    const v2 = {
      '/proc/self/cgroup': '0::/a/b\n',
      '/sys/fs/cgroup/a/b/memory.max': 'max\n',
      '/sys/fs/cgroup/a/memory.max': '4096000\n',
    };
    expect(cgroupLimit(files(v2))).toBe(4096000);
    const container = { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': '8192\n' };
    expect(cgroupLimit(files(container))).toBe(8192);
    const v1 = {
      '/proc/self/cgroup': '4:cpu,memory:/x\n3:cpu:/y\n',
      '/sys/fs/cgroup/memory/x/memory.limit_in_bytes': '1048576\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    };
    expect(cgroupLimit(files(v1))).toBe(1048576);
    expect(cgroupLimit(files({}))).toBe(Infinity);
  });

  test('what is left before a limit, whoever uses the rest; files that were read can go', () => {
    const v2 = {
      '/proc/self/cgroup': '0::/a/b\n',
      '/sys/fs/cgroup/a/b/memory.max': 'max\n',
      '/sys/fs/cgroup/a/b/memory.current': '500\n',
      '/sys/fs/cgroup/a/memory.max': '4000\n',
      '/sys/fs/cgroup/a/memory.current': '3500\n',
      '/sys/fs/cgroup/a/memory.stat': 'anon 9\nactive_file 200\ninactive_file 300\nshmem 7\n',
    };
    expect(cgroupLeft(files(v2))).toBe(4000 - 3500 + 300 + 100);
    const v1 = {
      '/proc/self/cgroup': '4:memory:/x\n0::/\n',
      '/sys/fs/cgroup/memory/x/memory.limit_in_bytes': '9223372036854771712\n',
      '/sys/fs/cgroup/memory/x/memory.usage_in_bytes': '10\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '1000\n',
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': '900\n',
      '/sys/fs/cgroup/memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 30\n',
    };
    expect(cgroupLeft(files(v1))).toBe(130);
    const over = { ...v2, '/sys/fs/cgroup/a/memory.current': '9000\n' };
    expect(cgroupLeft(files(over))).toBe(0);
    expect(cgroupLeft(files({}))).toBe(Infinity);
  });

  test('the program, then the environment, then the machine', () => {
    const machine = files({
      '/proc/meminfo': 'MemTotal:       1000 kB\n',
      '/proc/self/limits': LOCKED,
    });
    expect(budgetOf({}, {}, machine)).toMatchObject({ bytes: 65536, source: 'RLIMIT_MEMLOCK' });
    const named = { DREG_PIN_BYTES: '3M', DREG_PIN_REGIONS: '7' };
    expect(budgetOf({}, named, machine)).toMatchObject({ bytes: 3 * MIB, regions: 7 });
    expect(budgetOf({ bytes: 5, regions: 1 }, named, machine)).toMatchObject({
      bytes: 5,
      regions: 1,
    });
    const free = files({ '/proc/meminfo': 'MemTotal:       1000 kB\n' });
    expect(budgetOf({}, {}, free).bytes).toBe(512_000);
  });

  test.each(['-1', 'many', '1.5', '8T', '0x10'])('DREG_PIN_BYTES=%s is an error', (text) => {
    let error: unknown;
    try {
      budgetOf({}, { DREG_PIN_BYTES: text });
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(MpiError);
    expect((error as MpiError).message).toContain(`"${text}"`);
  });
});
