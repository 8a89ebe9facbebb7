/** What each rank of a job used and sent (`--summary`). */

import { parseTraffic } from '../job/traffic-report.ts';
import { formatBytes } from '../memory/notice.ts';
import type { Used } from './child.ts';
import type { RankOutcome, RankSummary } from './outcome.ts';

/** @param traffic as the rank has put it, if it has */
export function rankSummary(
  milliseconds: number,
  { cpuMilliseconds, peakBytes }: Used,
  traffic: string | undefined,
): RankSummary {
  const sent = parseTraffic(traffic);
  return {
    milliseconds: Math.round(milliseconds),
    cpuMilliseconds: Math.round(cpuMilliseconds),
    peakBytes,
    messages: sent?.messages ?? null,
    bytes: sent?.bytes ?? null,
  };
}

const HEAD = ['rank', 'time', 'CPU', 'peak memory', 'messages', 'bytes sent'];
const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`;
const orUnknown = (value: number | null, show: (value: number) => string) =>
  value === null ? '-' : show(value);

/** One line a rank, in columns. */
export function summaryTable(ranks: readonly RankOutcome[]): string {
  const rows = ranks.map(({ rank, summary }) =>
    summary === undefined
      ? [String(rank), ...HEAD.slice(1).map(() => '-')]
      : [
          String(rank),
          seconds(summary.milliseconds),
          seconds(summary.cpuMilliseconds),
          formatBytes(summary.peakBytes),
          orUnknown(summary.messages, String),
          orUnknown(summary.bytes, formatBytes),
        ],
  );
  const all = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map((row) => row.map((cell, column) => cell.padStart(widths[column])).join('  '))
    .join('\n');
}
