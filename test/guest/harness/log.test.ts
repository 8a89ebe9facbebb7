import { expect, test } from 'vitest';
import { findProblems } from './log.ts';

test.each([
  ['panic', '[    5.1] Kernel panic - not syncing: sysrq triggered crash'],
  ['oops', '[    5.1] Oops: 0002 [#1] PREEMPT SMP NOPTI'],
  ['oops', 'general protection fault, probably for non-canonical address 0xdead000000000100'],
  ['oops', 'BUG: unable to handle page fault for address: ffffc90000000000'],
  ['oops', 'BUG: kernel NULL pointer dereference, address: 0000000000000008'],
  ['BUG', 'kernel BUG at mm/mmu_notifier.c:1042!'],
  [
    'WARNING',
    'WARNING: CPU: 1 PID: 77 at mm/mmu_notifier.c:973 mmu_interval_notifier_remove+0x1/0x2',
  ],
  ['RCU stall', 'rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:'],
  ['RCU stall', 'rcu: INFO: rcu_preempt self-detected stall on CPU'],
  ['hung task', 'INFO: task rmmod:91 blocked for more than 60 seconds.'],
  ['lockup', 'watchdog: BUG: soft lockup - CPU#0 stuck for 63s! [insmod:90]'],
  ['lockdep', 'WARNING: possible circular locking dependency detected'],
  ['lockdep', 'WARNING: possible recursive locking detected'],
  ['lockdep', 'WARNING: inconsistent lock state'],
  ['lockdep', 'WARNING: suspicious RCU usage'],
  ['sleep in atomic', 'BUG: sleeping function called from invalid context at mm/slab.h:494'],
  ['sleep in atomic', 'BUG: scheduling while atomic: insmod/90/0x00000002'],
  ['KASAN', 'BUG: KASAN: use-after-free in dreg_invalidate+0x10/0x20 [dreg]'],
  ['kmemleak', 'kmemleak: 16 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'],
  ['kmemleak', 'unreferenced object 0xffff888004c0c800 (size 128):'],
])('%s: %s', (kind, line) => {
  const found = findProblems(`[    1.000000] all is well\r\n${line}\r\n`);
  expect(found.map((problem) => problem.kind)).toEqual([kind]);
});

test.each([
  'mtrr: your CPUs had inconsistent fixed MTRR settings',
  'rcu: \tRCU CPU stall warnings timeout set to 60 (rcu_cpu_stall_timeout).',
  'ACPI: bus type PCI registered',
  'dreg: loading out-of-tree module taints kernel.',
  'kmemleak: Kernel memory leak detector initialized (mem pool available: 37000)',
  'Command line: panic=-1 watchdog_thresh=30',
])('an innocent line: %s', (line) => {
  expect(findProblems(line)).toEqual([]);
});

test('what a test allows is no problem', () => {
  expect(findProblems('Out of memory: Killed process 90 (victim)')).toHaveLength(1);
  expect(findProblems('Out of memory: Killed process 90 (victim)', [/Killed process/])).toEqual([]);
});
