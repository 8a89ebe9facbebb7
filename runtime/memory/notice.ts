/** The one line that a process prints when a limit first slows it (rule R7). */
import { pagesAddon } from '../../native/pages.ts';
import type { Budget } from './limits.ts';

/** 65536 → '64 KiB'. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}

export type Notice = (line: string) => void;

/** Prints on standard error, once in the life of the process: of all managers and threads. */
export function printOnce(line: string): void {
  if (pagesAddon().firstTime()) process.stderr.write(`${line}\n`);
}

/** Says once that a limit makes transfers slow, and how to raise it. */
export function limitNotice(
  notice: Notice,
  budget: () => Budget,
): (limit: number, need: number) => void {
  let told = false;
  return (limit, need) => {
    if (told) return;
    told = true;
    const { source, fix } = budget();
    notice(
      `dreg-mpi: no more than ${formatBytes(limit)} can be pinned (${source}), ` +
        `${formatBytes(need)} are needed; transfers go on more slowly; to speed them up, ${fix}`,
    );
  };
}
