/** The one line that a process prints when a limit first slows it (rule R7). */
import { pagesAddon } from '../../native/pages.ts';

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
