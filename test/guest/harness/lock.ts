import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Runs `body` while this process alone holds the lock file. The lock is flock(2)'s, held by a child
 * that lives as long as its standard input: a process that dies, however it dies, frees it.
 */
export async function withFileLock<T>(
  path: string,
  body: () => Promise<T>,
  onWait?: () => void,
): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  const holder = spawn('flock', [path, 'sh', '-c', 'echo held; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // Away from the terminal's process group: Ctrl-C must not free the lock before the work ends.
    detached: true,
  });
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()));
  const waiting = onWait && setTimeout(onWait, 1000);
  try {
    await new Promise<void>((resolve, reject) => {
      holder.once('error', reject);
      holder.once('close', (status) => reject(new Error(`flock ${path}: exit status ${status}`)));
      holder.stdout.once('data', () => resolve());
    });
    clearTimeout(waiting);
    return await body();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    await ended;
  }
}

/**
 * Guests and kernel builds use every core. Where several checkouts or people share a machine,
 * DREG_MACHINE_LOCK names a file through which they take turns.
 */
export function withMachineLock<T>(body: () => Promise<T>): Promise<T> {
  const path = process.env.DREG_MACHINE_LOCK;
  return path ? withFileLock(path, body) : body();
}
