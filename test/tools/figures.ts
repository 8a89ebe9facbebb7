#!/usr/bin/env node
/** `npm run docs:figures`: the plots of performance pages, from the tables that stand beside them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Plot, plot, type Series } from '../../examples/plot.ts';
import { showTime } from '../../examples/report.ts';
import { packageRoot } from '../../native/addon.ts';
import { readCommandLine } from './command-line.ts';

const FOLDER = 'docs/internals';

/** A figure, and the page whose tables it shows. */
interface Figure {
  page: string;
  file: string;
  title: string;
  series(page: string): Series[];
}

const FIGURES: readonly Figure[] = [
  {
    page: 'shm-performance.md',
    file: 'shm-latency.svg',
    title: 'Half round trips in shared memory',
    series(page) {
      const plain = rowsOf(page, 'half round trip');
      return [
        { name: 'plain arrays', points: plain.map(ours) },
        {
          name: 'MPI.allocate',
          points: rowsOf(page, 'half round trip from memory of `MPI.allocate`').map(ours),
        },
        { name: 'the best peer', points: plain.map(([x, time, ratio]) => pointOf(x, time, ratio)) },
      ];
    },
  },
  {
    page: 'collectives-performance.md',
    file: 'collectives.svg',
    title: 'Collective operations of two ranks',
    series(page) {
      const rows = rowsOf(page, '', 'plain arrays');
      return ['bcast', 'allreduce', 'alltoall'].flatMap((name) => {
        const own = rows
          .filter(([what]) => what.startsWith(`${name} `))
          .map(([what, ...cells]) => [what.slice(name.length + 1), ...cells]);
        return [
          { name, points: own.map(ours) },
          { name: `${name}, best peer`, points: own.map(([x, y, ratio]) => pointOf(x, y, ratio)) },
        ];
      });
    },
  },
  {
    page: 'verbs-performance.md',
    file: 'verbs-rendezvous.svg',
    title: 'One large message by RDMA, over rxe in a guest',
    series(page) {
      const rows = rowsOf(page, '', 'cached, dreg');
      return ['get', 'put'].flatMap((way) => {
        const own = rows
          .filter(([what]) => what.startsWith(`${way}, `))
          .map(([what, ...cells]) => [what.slice(way.length + 2), ...cells]);
        return [
          { name: `${way}, cached`, points: own.map(ours) },
          {
            name: `${way}, registered each time`,
            points: own.map(([x, , none]) => pointOf(x, none)),
          },
        ];
      });
    },
  },
];

const ours = ([x, y]: readonly string[]) => pointOf(x, y);

/** @param ratio ours by theirs, where theirs is wanted */
function pointOf(x: string, time: string, ratio = '1'): { x: number; y: number } {
  return { x: quantity(x), y: quantity(time) / Number.parseFloat(ratio) };
}

/** Bytes and nanoseconds. */
const UNITS: Record<string, number> = {
  ...{ B: 1, KiB: 2 ** 10, MiB: 2 ** 20 },
  ...{ ns: 1, µs: 1e3, ms: 1e6, s: 1e9 },
};

/** `16 KiB`, `2.34 µs (2.1 to 2.5)`. */
function quantity(text: string): number {
  const [, value, unit] = /^([\d.]+) (\S+)/.exec(text) ?? [];
  if (UNITS[unit] === undefined) throw new Error(`"${text}" has no unit that a figure knows`);
  return Number(value) * UNITS[unit];
}

/** Rows of the table that has these first columns, as far as they tell a time by a number of bytes. */
function rowsOf(page: string, ...head: string[]): string[][] {
  const cellsOf = (line: string) => {
    const cells = line.split('|').slice(1, -1);
    return cells.map((cell) => cell.trim());
  };
  for (const table of page.match(/(?:^\|.*\n)+/gm) ?? []) {
    const [names, , ...rows] = table.trim().split('\n').map(cellsOf);
    if (head.every((name, at) => names[at] === name))
      return rows.filter(([what, time]) => /\d+ [KM]?i?B$/.test(what) && time !== '');
  }
  throw new Error(`no table begins with the columns ${head.join(', ')}`);
}

/** All figures by path. */
export function figures(root: string): Map<string, string> {
  return new Map(
    FIGURES.map(({ page, file, title, series }) => {
      const shown: Plot = {
        title,
        y: 'time',
        show: showTime,
        series: series(readFileSync(join(root, FOLDER, page), 'utf8')),
      };
      return [`${FOLDER}/figures/${file}`, plot(shown)];
    }),
  );
}

const HELP = `usage: npm run docs:figures

Draws the figures of ${FOLDER}/*-performance.md anew, from the tables on these pages.

  --help
`;

function main(): void {
  const settings = readCommandLine({
    name: 'docs:figures',
    help: HELP,
    options: {},
    read: (values) => values,
  });
  if (settings === null) return;
  const root = packageRoot();
  for (const [path, text] of figures(root)) writeFileSync(join(root, path), text);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
