/** What both examples do with their options: measure each mode at each size, print, plot. */
import { writeFileSync } from 'node:fs';
import { MPI } from 'dreg-mpi';
import { readOptions, type Usage } from './options.ts';
import { plot, type Series } from './plot.ts';
import { type Columns, Report } from './report.ts';

interface Sweep<Row> {
  usage: Usage;
  /** Both ranks measure; rank 0's row counts. */
  measureRow: (mode: string, bytes: number, allocate: boolean) => Promise<Row>;
  columns: Columns<Row>;
  plot: { title: string; y: string; show: (value: number) => string; value: (row: Row) => number };
}

export async function sweep<Row>({ usage, measureRow, columns, plot: axes }: Sweep<Row>) {
  const options = readOptions(process.argv.slice(2), usage);
  if (options === null) return;
  const { modes, sizes, allocate, json, svg } = options;
  const first = MPI.world.rank === 0;
  const report = first ? new Report(columns, modes.length * sizes.length, json) : null;
  const series: Series[] = [];
  for (const name of modes) {
    const points: Series['points'] = [];
    for (const bytes of sizes) {
      const row = await measureRow(name, bytes, allocate);
      report?.add(row);
      points.push({ x: bytes, y: axes.value(row) });
    }
    series.push({ name, points });
  }
  if (svg !== undefined && first) writeFileSync(svg, plot({ ...axes, series }));
}
