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
/** How long a process may take to appear or to disappear; only a broken program needs it. */
const PATIENCE_MS = 20_000;

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
  return { child, pid: child.pid!, mark, seen: () => stdout, ended };
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

const idle = new Map<number, [ticks: number, since: number]>();

/** True when a process has used no CPU for this time. */
export function idleFor(pid: number, milliseconds: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const [last, since] = idle.get(pid) ?? [-1, 0];
  if (ticks !== last) idle.set(pid, [ticks, performance.now()]);
  return ticks === last && ticks > 0 && performance.now() - since > milliseconds;
}

export function residentBytes(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kilobytes) * 1024;
}

/** A Node that does nothing takes about 45 MiB. */
export const RESIDENT_MAX = 110 * 1024 * 1024;
