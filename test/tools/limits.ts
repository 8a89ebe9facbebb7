/**
 * The values in docs/operating/limits.md and those in the code. `npm run docs:limits` writes the code's values
 * into the document; what is said about them is for people to write.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../native/addon.ts';
import { readCommandLine } from './command-line.ts';

const DOCUMENT = 'docs/operating/limits.md';

export interface Limit {
  name: string;
  value: number;
  file: string;
}

const UNITS: Record<string, number> = {
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  ms: 1,
  s: 1000,
};

/** A row of the document: name, number, unit, file. */
const ROW = /^\| `([A-Z_]+)` \| ([\d.]+)(?: (\w+))? \| `([\w/.-]+)` \|/gm;

export function documentedLimits(document: string): Limit[] {
  return Array.from(document.matchAll(ROW), ([, name, number, unit, file]) => ({
    name,
    value: Number(number) * (unit === undefined ? 1 : UNITS[unit]),
    file,
  }));
}

/** The value of a constant in a source text: a number, or a product of such and other constants. */
export function valueIn(text: string, name: string): number {
  // TypeScript's, or C's.
  const pattern = new RegExp(`const ${name} = ([^;]+);|#define ${name} (.+)`);
  const [, constant, macro] = pattern.exec(text) ?? [];
  const expression = constant ?? macro?.replace(/(?<=\d)ul\b/g, '');
  if (expression === undefined) return Number.NaN;
  const numbers = expression
    .replace('Number.MAX_SAFE_INTEGER', String(Number.MAX_SAFE_INTEGER))
    .replace(/\b[A-Z][A-Z_]+\b/g, (other) => String(valueIn(text, other)));
  if (!/^[\da-fx_.*/<() +-]+$/.test(numbers)) return Number.NaN;
  return Number(new Function(`return ${numbers}`)());
}

/** A value in the largest unit of its kind that leaves it whole. */
function show(value: number, unit: string | undefined): string {
  const kind = unit === 'ms' || unit === 's' ? ['s', 'ms'] : ['TiB', 'GiB', 'MiB', 'KiB'];
  const fitting = kind.find((name) => value >= UNITS[name] && value % UNITS[name] === 0);
  return unit === undefined || fitting === undefined
    ? `${value}`
    : `${value / UNITS[fitting]} ${fitting}`;
}

const HELP = `usage: npm run docs:limits

Writes the values that the code has into ${DOCUMENT}; what is said about them is for people to write.

  --help
`;

function update(): void {
  const settings = readCommandLine({
    name: 'docs:limits',
    help: HELP,
    options: {},
    read: () => ({}),
  });
  if (settings === null) return;
  const path = join(packageRoot(), DOCUMENT);
  const document = readFileSync(path, 'utf8');
  const text = document.replace(ROW, (_row, name, _number, unit, file) => {
    const value = valueIn(readFileSync(join(packageRoot(), file), 'utf8'), name);
    if (Number.isNaN(value)) throw new Error(`${file} has no ${name}: mend its row by hand`);
    return `| \`${name}\` | ${show(value, unit)} | \`${file}\` |`;
  });
  writeFileSync(path, text);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) update();
