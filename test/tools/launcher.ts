/** Starts dregrun and its ranks from the built package, and finds what they leave behind. */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach } from 'vitest';
import { packageRoot } from '../../native/addon.ts';

export const DREGRUN = join(packageRoot(), 'dist/bundle/dregrun.js');
export const fixture = (name: string) =>
  join(packageRoot(), 'test/unit/runtime/launch/fixtures', name);

/** A variable that every process of a test inherits: it names the processes of that test. */
const MARK = 'DREG_TEST_MARK';
/** How long something may take to come about, on a machine that does much else; only a broken program needs it. */
const PATIENCE_MS = 120_000;

/** Looks at which a process must be found asleep, with nothing done in between. */
const QUIET_LOOKS = 60;

export interface Ended {
  /** The exit status; null when a signal ended it. */
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  pid: number;
  mark: string;
  /** What stdout has given so far. */
  seen(): string;
  /** What it has written to stderr so far. */
  told(): string;
  ended: Promise<Ended>;
}

export interface StartOptions {
  input?: string;
  environment?: NodeJS.ProcessEnv;
  cwd?: string;
  stdio?: SpawnOptions['stdio'];
}

/** A failed test must not fail the next one by what it left running. */
const marks: string[] = [];
afterEach(() => {
  for (const mark of marks.splice(0)) killSurvivors(mark);
});

/** Starts a program whose processes can be found again. */
export function start(file: string, words: string[], options: StartOptions = {}): Running {
  const mark = randomUUID();
  marks.push(mark);
  const child = spawn(file, words, {
    cwd: options.cwd,
    env: { ...process.env, ...options.environment, [MARK]: mark },
    stdio: options.stdio ?? ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (bytes) => {
    stdout += bytes.toString('latin1');
  });
  child.stderr?.on('data', (bytes) => {
    stderr += bytes.toString('latin1');
  });
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input ?? '');
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return { child, pid: child.pid!, mark, seen: () => stdout, told: () => stderr, ended };
}

export function startDregrun(words: string[], options?: StartOptions): Running {
  return start(process.execPath, [DREGRUN, ...words], options);
}

export function dregrun(words: string[], options?: StartOptions): Promise<Ended> {
  return startDregrun(words, options).ended;
}

/** The living processes of a test, without zombies. */
export function survivors(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${MARK}=${mark}`) &&
          !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))
        );
      } catch {
        return false; // It has just gone.
      }
    })
    .map(Number);
}

/** Waits until a condition holds; a test that waits in vain says what for. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
    await sleep(5);
  }
}

export function killSurvivors(mark: string): void {
  for (const pid of survivors(mark)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It went by itself.
    }
  }
}

export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'dreg-launch-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** True where a program is in PATH. Under CI nothing may be missing: then the test runs and fails. */
export function canTest(program: string): boolean {
  if (process.env.CI === 'true') return true;
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Sends a signal now and then until something holds: ever more seldom, so that nobody hears of nothing else. */
export async function insist(
  what: string,
  signal: () => void,
  holds: () => boolean,
): Promise<void> {
  const start = performance.now();
  let next = 0;
  await until(what, () => {
    const now = performance.now() - start;
    if (now < next) return holds();
    signal();
    next = 1.1 * now + 2;
    return holds();
  });
}

/** All bytes that a process has read: from files, pipes and sockets. */
export function bytesRead(pid: number): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1]);
}

/** Waits until a process sleeps and reads nothing more, look after look. */
export async function untilBlocked(pid: number): Promise<void> {
  let quiet = 0;
  let last = '';
  await until(`process ${pid} is blocked`, () => {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const sleeps = /^State:\s+S/m.test(status);
    const [switches] = /^voluntary_ctxt_switches:\s+\d+$/m.exec(status) ?? [''];
    const now = `${switches} ${bytesRead(pid)}`;
    quiet = sleeps && now === last ? quiet + 1 : 0;
    last = now;
    return quiet === QUIET_LOOKS;
  });
}
