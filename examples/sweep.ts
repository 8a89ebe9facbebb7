/** What both examples do with their options: measure each mode at each size, print, plot. */
import { readFileSync, writeFileSync } from 'node:fs';
import { MPI, type Statistics } from 'dreg-mpi';
import { type Options, readOptions, type Usage } from './options.ts';
import { plot, type Series } from './plot.ts';
import { type Columns, Report } from './report.ts';

interface Sweep<Row> {
  usage: Usage;
  /** Both ranks measure; rank 0's row counts. */
  measureRow: (mode: string, bytes: number, options: Options) => Promise<Row>;
  columns: Columns<Row>;
  plot: { title: string; y: string; show: (value: number) => string; value: (row: Row) => number };
}

/** A row, the setting that it was measured with, and how its large messages really went. */
type Told<Row> = Row & { bytes: number; setting: string; way: string; series: string };

export async function sweep<Row extends { bytes: number }>(what: Sweep<Row>) {
  const options = readOptions(process.argv.slice(2), what.usage);
  if (options === null) return;
  const { modes, sizes, json, svg, setting, beside } = options;
  const first = MPI.world.rank === 0;
  const rows: Told<Row>[] = first && beside !== undefined ? readRows(beside, what.usage) : [];
  const columns = setting !== '' || rows.length > 0 ? withSettings(what.columns) : what.columns;
  const steps = rows.length + modes.length * sizes.length;
  const report = first ? new Report(columns as Columns<Told<Row>>, steps, json) : null;
  for (const row of rows) report?.add(row);
  for (const mode of modes)
    for (const bytes of sizes) {
      const before = MPI.statistics();
      const row = await what.measureRow(mode, bytes, options);
      const way = wayBetween(before, MPI.statistics());
      const series = [mode, setting].filter(Boolean).join(': ');
      rows.push({ ...row, setting, way, series });
      report?.add(rows[rows.length - 1]);
    }
  if (svg !== undefined && first)
    writeFileSync(svg, plot({ ...what.plot, series: seriesOf(rows, what.plot.value) }));
}

function withSettings<Row>({ ...columns }: Columns<Row>): Columns<Told<Row>> {
  const more = { way: (row: Told<Row>) => row.way, setting: (row: Told<Row>) => row.setting };
  return { ...columns, ...more };
}

function readRows<Row>(file: string, { program }: Usage): Told<Row>[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line));
  } catch (error) {
    console.error(`${program}: --beside ${file}: ${(error as Error).message}`);
    return MPI.abort(2);
  }
}

/** The way that most large messages went; 'eager' where none was large. */
function wayBetween(before: Statistics, after: Statistics): string {
  let [best, most] = ['eager', 0];
  for (const [transport, { sent, received }] of Object.entries(after.messages)) {
    const earlier = before.messages[transport];
    for (const way of Object.keys(sent) as (keyof typeof sent)[]) {
      const went =
        sent[way] + received[way] - (earlier?.sent[way] ?? 0) - (earlier?.received[way] ?? 0);
      if (went > most) [best, most] = [way, went];
    }
  }
  return best;
}

/** A line for each mode and setting. */
function seriesOf<Row>(rows: Told<Row>[], value: (row: Row) => number): Series[] {
  const series = new Map<string, Series>();
  for (const row of rows) {
    const of = series.get(row.series) ?? { name: row.series, points: [] };
    series.set(row.series, of);
    of.points.push({ x: row.bytes, y: value(row) });
  }
  return [...series.values()];
}
