/** What a rank says on stderr before it ends. */
import { writeSync } from 'node:fs';

/** In one line, at once, whatever becomes of the process. */
export function sayLast(words: string): void {
  try {
    writeSync(2, `dreg-mpi: ${words}\n`);
  } catch {
    // stderr is closed or full: the status still tells.
  }
}

/** Of an abort: never 0, which launchers would take for a job that went well. */
export function abortStatus(code: number): number {
  return code & 0xff || 1;
}

export function sayAbort(rank: number, code: number, message: string): void {
  sayLast(`rank ${rank} aborts the job with status ${code}: ${message}`);
}
