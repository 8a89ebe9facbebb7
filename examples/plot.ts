/** A plot with two logarithmic axes, as SVG: it opens in a browser, and needs no library. */
import { showBytes } from './report.ts';

export interface Series {
  name: string;
  points: { x: number; y: number }[];
}

export interface Plot {
  title: string;
  /** What the vertical axis shows. */
  y: string;
  /** A value of it as text. */
  show: (value: number) => string;
  /** The horizontal axis, where it is not the bytes of a message. */
  x?: { title: string; show: (value: number) => string };
  series: Series[];
}

const BYTES_OF_A_MESSAGE = { title: 'bytes of a message', show: showBytes };

const WIDTH = 860;
const HEIGHT = 520;
const FRAME = { left: 90, right: 20, top: 50, bottom: 60 };
/** Distinguishable for the colour-blind (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

/** Maps values to pixels by their logarithms. */
type Scale = (value: number) => number;

function scale(low: number, high: number, from: number, to: number): Scale {
  const span = Math.log(high) - Math.log(low);
  return (value) => from + ((Math.log(value) - Math.log(low)) / span) * (to - from);
}

function extent(values: number[], base: number): [low: number, high: number] {
  const low = base ** Math.floor(Math.log(Math.min(...values)) / Math.log(base) + 1e-9);
  const high = base ** Math.ceil(Math.log(Math.max(...values)) / Math.log(base) - 1e-9);
  return low < high ? [low, high] : [low, low * base];
}

function powers(low: number, high: number, base: number): number[] {
  const found: number[] = [];
  for (let value = low; value <= high * 1.001; value *= base) found.push(value);
  return found;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escapeXml(content)}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, stroke: string): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="${stroke}"/>`;
}

export function plot({ title, y, show, x = BYTES_OF_A_MESSAGE, series }: Plot): string {
  // A message of zero bytes has no place on a logarithmic axis.
  const points = series.flatMap((one) => one.points).filter((point) => point.x > 0);
  const [left, right] = extent(points.map((point) => point.x).concat(points.length ? [] : 1), 2);
  const [low, high] = extent(points.map((point) => point.y).concat(points.length ? [] : 1), 10);
  const bottom = HEIGHT - FRAME.bottom;
  const toX = scale(left, right, FRAME.left, WIDTH - FRAME.right);
  const toY = scale(low, high, bottom, FRAME.top);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(WIDTH / 2, 28, title, 'text-anchor="middle" font-size="18"'),
    ...columnsOf(powers(left, right, 2), toX, x.show),
    ...rowsOf(powers(low, high, 10), toY, show),
    text(WIDTH / 2, HEIGHT - 14, x.title, 'text-anchor="middle"'),
    text(0, 0, y, `text-anchor="middle" transform="translate(22 ${HEIGHT / 2}) rotate(-90)"`),
    ...series.flatMap((one, index) => curve(one, COLOURS[index % COLOURS.length], toX, toY)),
    ...series.flatMap((one, index) => legend(one.name, COLOURS[index % COLOURS.length], index)),
    '</svg>\n',
  ].join('\n');
}

function columnsOf(values: number[], toX: Scale, show: Plot['show']): string[] {
  const every = Math.ceil(values.length / 10);
  return values.flatMap((value, index) => {
    const x = toX(value);
    const grid = line(
      x,
      FRAME.top,
      x,
      HEIGHT - FRAME.bottom,
      index % every ? '#f4f4f4' : '#dddddd',
    );
    if (index % every) return [grid];
    return [grid, text(x, HEIGHT - FRAME.bottom + 20, show(value), 'text-anchor="middle"')];
  });
}

function rowsOf(decades: number[], toY: Scale, show: Plot['show']): string[] {
  const rows: string[] = [];
  for (const [index, decade] of decades.entries()) {
    const y = toY(decade);
    rows.push(line(FRAME.left, y, WIDTH - FRAME.right, y, '#dddddd'));
    rows.push(text(FRAME.left - 8, y + 4, show(decade), 'text-anchor="end"'));
    for (let part = 2; part < 10 && index + 1 < decades.length; part++)
      rows.push(
        line(FRAME.left, toY(decade * part), WIDTH - FRAME.right, toY(decade * part), '#f4f4f4'),
      );
  }
  return rows;
}

function curve(series: Series, colour: string, toX: Scale, toY: Scale): string[] {
  const points = series.points.filter((point) => point.x > 0);
  const at = points.map(({ x, y }) => [toX(x).toFixed(1), toY(y).toFixed(1)]);
  return [
    `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${at.join(' ')}"/>`,
    ...at.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="4" fill="${colour}"/>`),
  ];
}

function legend(name: string, colour: string, index: number): string[] {
  const y = FRAME.top + 20 + index * 20;
  return [
    `<circle cx="${FRAME.left + 20}" cy="${y - 4}" r="5" fill="${colour}"/>`,
    text(FRAME.left + 32, y, name),
  ];
}
