/**
 * What perftest's programs print: a heading that names columns, then a line of figures.
 *
 * They measure in ticks of the processor, and each finds out by itself, in some milliseconds, how long a
 * tick is. Where something disturbs that (a guest's processor is a thread among others) it is far
 * off, or not found at all. But they tell what they took, so that it can be put right.
 */

const HEADING = /#\w+|(?:\bBW |[\d.]+% )?[\w]+\s?\[[^\]]+\]/g;

/** The figures of the last table by their column, as `t_typical[usec]`. @throws Error where there is none */
export function readTable(output: string): Map<string, number> {
  const lines = output.split('\n');
  const at = lines.findLastIndex((line) => line.trimStart().startsWith('#bytes'));
  const names = lines[at]?.match(HEADING) ?? [];
  const figures = (lines[at + 1] ?? '').trim().split(/\s+/).map(Number);
  if (names.length === 0 || figures.length < names.length || figures.some(Number.isNaN))
    throw new Error(`perftest printed no table:\n${output}`);
  return new Map(names.map((name, i) => [name, figures[i]]));
}

/** The length of a tick in this boot, and what /proc/cpuinfo says of it. */
export interface Ticks {
  /** Nanoseconds. */
  tick: number;
  /** What perftest takes unless it measured something else. */
  nominalMHz: number;
}

/** The factor that makes a time out of what the program took for one. */
function correction(output: string, { tick, nominalMHz }: Ticks): number {
  const [, measured] = /measured timestamp frequency ([\d.]+) differs/.exec(output) ?? [];
  return ((measured === undefined ? nominalMHz : Number(measured)) * tick) / 1000;
}

/** Whether the program found no length of a tick at all: it has to be run again. */
export function isTimeless(output: string): boolean {
  return /Correlation coefficient/.test(output);
}

function column(table: ReadonlyMap<string, number>, name: string): number {
  const value = table.get(name);
  if (value === undefined)
    throw new Error(`perftest has no column ${name}, only ${[...table.keys()].join(', ')}`);
  return value;
}

/** Nanoseconds of the typical half round trip, which is perftest's word for the median. */
export function latencyOf(output: string, ticks: Ticks): number {
  return column(readTable(output), 't_typical[usec]') * 1000 * correction(output, ticks);
}

/** What perftest counts bytes by, whichever way it spells it. */
const MEBIBYTE = 2 ** 20;

/** Nanoseconds for each message, from the average bandwidth. */
export function messageTimeOf(output: string, bytes: number, ticks: Ticks): number {
  const table = readTable(output);
  const name = [...table.keys()].find((key) => /^BW average\[Mi?B\/sec\]$/.test(key));
  const seconds = bytes / (column(table, name ?? 'BW average[MiB/sec]') * MEBIBYTE);
  return seconds * 1e9 * correction(output, ticks);
}
