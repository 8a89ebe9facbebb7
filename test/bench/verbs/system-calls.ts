/** System calls, counted by the kernel itself: a histogram on its tracepoint slows nothing down. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const EVENT = '/sys/kernel/tracing/events/raw_syscalls/sys_enter';
const HISTOGRAM = 'hist:keys=common_pid,id.syscall:size=2048';

export function startCounting(): void {
  if (!existsSync(EVENT)) throw new Error(`${EVENT} is missing: mount -t tracefs`);
  writeFileSync(`${EVENT}/trigger`, HISTOGRAM);
}

export function stopCounting(): void {
  writeFileSync(`${EVENT}/trigger`, `!${HISTOGRAM}`);
}

/** Counts by name of a system call, of all these threads. */
export function readCounts(histogram: string, threads: ReadonlySet<number>): Map<string, number> {
  const counts = new Map<string, number>();
  const line = /common_pid:\s*(\d+), id: (?:sys_)?(\w+)\s*\[\s*\d+\]\s*\}\s*hitcount:\s*(\d+)/g;
  for (const [, thread, name, count] of histogram.matchAll(line)) {
    if (!threads.has(Number(thread))) continue;
    counts.set(name, (counts.get(name) ?? 0) + Number(count));
  }
  return counts;
}

/** Of the main threads, where messages live; V8 compiles and collects in others. */
export function countsOf(processes: readonly number[]): Map<string, number> {
  return readCounts(readFileSync(`${EVENT}/hist`, 'utf8'), new Set(processes));
}

/** What `more - fewer` further messages took, for each: whatever is done once only is in both. */
export function perMessage(
  few: { counts: ReadonlyMap<string, number>; messages: number },
  many: { counts: ReadonlyMap<string, number>; messages: number },
): Record<string, number> {
  const result: Record<string, number> = {};
  for (const [name, count] of many.counts) {
    const further = (count - (few.counts.get(name) ?? 0)) / (many.messages - few.messages);
    if (further >= LEAST) result[name] = further;
  }
  return result;
}

/** What happens less often than this, for a message, is no part of its path. */
const LEAST = 0.001;
