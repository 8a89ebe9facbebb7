/** What in a kernel's log means that the kernel is not well. */
const PROBLEMS: [RegExp, string][] = [
  [/Kernel panic/, 'panic'],
  [/\bOops\b/, 'oops'],
  [/general protection fault|unable to handle|NULL pointer dereference/i, 'oops'],
  [/rcu.*(detected stall|stall on|self-detected stall)|rcu_\w+ kthread starved/i, 'RCU stall'],
  [/blocked for more than \d+ seconds/, 'hung task'],
  [/(soft|hard) lockup/i, 'lockup'],
  [/possible (recursive|circular) locking|inconsistent lock state/, 'lockdep'],
  [
    /suspicious RCU usage|held lock freed|possible irq lock inversion|bad unlock balance/,
    'lockdep',
  ],
  [/BUG: KASAN/, 'KASAN'],
  [/sleeping function called from invalid context|scheduling while atomic/, 'sleep in atomic'],
  [/kmemleak: [1-9]\d* new suspected memory leaks/, 'kmemleak'],
  [/^unreferenced object 0x/, 'kmemleak'],
  [/\bBUG:/, 'BUG'],
  [/kernel BUG at/, 'BUG'],
  [/WARNING:/, 'WARNING'],
  [/Out of memory: Killed process/, 'out of memory'],
];

export interface LogProblem {
  kind: string;
  line: string;
}

const TIMESTAMP = /^\[\s*\d+\.\d+\]\s*/;

/** The lines of a kernel log that name a problem; `allowed` ones are expected by the test. */
export function findProblems(log: string, allowed: RegExp[] = []): LogProblem[] {
  const problems: LogProblem[] = [];
  for (const raw of log.split(/\r?\n/)) {
    const line = raw.replace(TIMESTAMP, '');
    const kind = PROBLEMS.find(([pattern]) => pattern.test(line))?.[1];
    if (kind !== undefined && !allowed.some((pattern) => pattern.test(line))) {
      problems.push({ kind, line });
    }
  }
  return problems;
}
