/** What the examples print: a table or JSON lines, and meanwhile a progress bar on a terminal. */

const BAR_WIDTH = 30;
/** dregrun shows a line without an end once nothing follows it for a moment. */
const BAR_INTERVAL_MS = 250;
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB'];

export function showBytes(bytes: number): string {
  let unit = 0;
  while (bytes >= 1024 && bytes % 1024 === 0 && unit < BYTE_UNITS.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${bytes} ${BYTE_UNITS[unit]}`;
}

/** Three significant digits and a unit: 1230 of 'ns' with ['ns', 'µs'] is '1.23 µs'. */
export function showScaled(value: number, units: readonly string[]): string {
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 1000 ? Math.round(value) : Number(value.toPrecision(3))} ${units[unit]}`;
}

export const showTime = (ns: number) => showScaled(ns, ['ns', 'µs', 'ms', 's']);
export const showBandwidth = (rate: number) => showScaled(rate, ['B/s', 'kB/s', 'MB/s', 'GB/s']);
export const showRate = (rate: number) => showScaled(rate, ['/s', 'k/s', 'M/s']);

/** A column of the table: its title, and the text for a row. */
export type Columns<Row> = Record<string, (row: Row) => string>;

export class Report<Row> {
  readonly #columns: Columns<Row>;
  readonly #json: boolean;
  readonly #steps: number;
  readonly #bar: boolean;
  readonly #lines: string[] = [];
  #done = 0;
  #shown = Number.NEGATIVE_INFINITY;

  /** @param steps how many rows will be added */
  constructor(columns: Columns<Row>, steps: number, json: boolean) {
    this.#columns = columns;
    this.#json = json;
    this.#steps = steps;
    // A rank writes into dregrun's pipe; dregrun says whether a terminal shows what comes out.
    this.#bar = process.stderr.isTTY || process.env.DREG_COLUMNS !== undefined;
    const titles = Object.keys(columns).map((title) => title.padStart(12));
    if (!json) this.#print(titles.join(' '));
    this.#progress();
  }

  add(row: Row): void {
    const cells = Object.values(this.#columns).map((text) => text(row).padStart(12));
    this.#print(this.#json ? JSON.stringify(row) : cells.join(' '));
    this.#done++;
    this.#progress();
  }

  /** A bar and a table would disturb each other: with a bar the table comes at the end. */
  #print(line: string): void {
    if (this.#bar && !this.#json) this.#lines.push(line);
    else console.log(line);
  }

  #progress(): void {
    if (!this.#bar) return;
    const ended = this.#done === this.#steps;
    const now = performance.now();
    if (!ended && now - this.#shown < BAR_INTERVAL_MS) return;
    this.#shown = now;
    const part = this.#done / this.#steps;
    const filled = '█'.repeat(Math.round(part * BAR_WIDTH)).padEnd(BAR_WIDTH, '░');
    process.stderr.write(`\r${filled} ${Math.round(part * 100)} %${ended ? '\n' : ''}`);
    if (ended) for (const line of this.#lines) console.log(line);
  }
}
