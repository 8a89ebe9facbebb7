/** A picture of half round trips: a group of bars for each place and size, on a scale of powers of ten. */
import type { Row } from './rows.ts';

const LINE = 18;
const LABELS = 330;
const WIDTH = 420;
const DECADES = 5;

const escaped = (text: string) => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** From 1 µs to 100 ms. */
const lengthOf = (us: number) =>
  Math.min(WIDTH, Math.max(1, (Math.log10(Math.max(us, 1)) / DECADES) * WIDTH));

export function bars(rows: readonly Row[]): string {
  const lines: string[] = [];
  let y = LINE;
  let last = '';
  for (const { place, operation, bytes, who, us } of rows) {
    if (operation !== 'pingpong') continue;
    const group = `${place}, ${bytes} B`;
    if (group !== last) {
      y += LINE;
      lines.push(`<text x="4" y="${y}" font-weight="bold">${escaped(group)}</text>`);
      last = group;
    }
    y += LINE;
    const fill = who === 'ours' ? '#c2410c' : '#94a3b8';
    const width = lengthOf(us.median);
    lines.push(
      `<text x="16" y="${y}">${escaped(who)}</text>`,
      `<rect x="${LABELS - 130}" y="${y - 11}" width="${width.toFixed(1)}" height="12" fill="${fill}"/>`,
      `<text x="${(LABELS - 124 + width).toFixed(1)}" y="${y}">${us.median.toFixed(1)} µs</text>`,
    );
  }
  const size = `width="${LABELS + WIDTH}" height="${y + LINE}"`;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12">`;
  return `${[head, '<rect width="100%" height="100%" fill="white"/>', ...lines, '</svg>'].join('\n')}\n`;
}
