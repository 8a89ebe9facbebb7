/**
 * What the pinned-memory manager costs and is worth:
 * `npm run bench:memory [-- --monitor NAME] [-- --svg FOLDER] [-- --json]`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { plot } from '../../examples/plot.ts';
import { showBytes, showTime } from '../../examples/report.ts';
import { type MonitorName, openMonitor } from '../../runtime/memory/monitors/open.ts';
import { type ByAddress, byAddress, hotPath } from './memory/hot.ts';
import { idling, unpinning } from './memory/idle.ts';
import { type Miss, missOf, type Worth, worthOf } from './memory/miss.ts';
import { type Line, show } from './memory/timing.ts';

const MISS_BYTES = [64 * 1024, 2 ** 20, 16 * 2 ** 20];
const WORTH_BYTES = Array.from({ length: 9 }, (_, i) => 64 * 1024 * 2 ** i);
const CURVE_REGIONS = [100, 1000, 10_000, 100_000, 1_000_000];
/** What a miss may cost beside the bare calls. */
const MISS_RATIO_MAX = 1.15;

interface Point {
  regions: number;
  inTurn: ByAddress;
  atRandom: ByAddress;
}

const cell = (text: string) => text.padStart(12);
const row = (cells: string[]) => console.log(cells.map(cell).join(' '));

function printCurve(points: Point[]): void {
  console.log('\nA hit by address, by the number of cached regions and the order of the leases;');
  console.log('"pick" is the part of it that fetching the view from memory takes');
  row(['regions', 'in turn', 'pick', 'at random', 'pick']);
  for (const { regions, inTurn, atRandom } of points)
    row([
      regions.toLocaleString('en'),
      ...[inTurn.lease, inTurn.pick, atRandom.lease, atRandom.pick].map(showTime),
    ]);
}

function printMisses(misses: Miss[]): void {
  console.log('\nA miss and its eviction, beside the four calls it is made of (medians)');
  row(['size', 'monitor', 'register', 'deregister', 'unmonitor', 'all four', 'a miss', 'ratio']);
  for (const miss of misses) {
    const ratio = miss.managed / miss.bare;
    const times = [miss.monitor, miss.register, miss.deregister, miss.unmonitor, miss.bare];
    const verdict = ratio <= MISS_RATIO_MAX ? 'kept' : 'MISSED';
    row([
      showBytes(miss.bytes),
      ...times.map(showTime),
      showTime(miss.managed),
      `${ratio.toFixed(2)} ${verdict}`,
    ]);
  }
}

function printWorth(name: string, worth: Worth[]): void {
  console.log(`\nSends of a fixed buffer, cached (${name}) and registered each time (none)`);
  row(['size', 'cached', 'none', 'none/cached']);
  for (const { bytes, cached, none } of worth)
    row([showBytes(bytes), showTime(cached), showTime(none), (none / cached).toFixed(2)]);
}

function writePlots(folder: string, name: string, curve: Point[], worth: Worth[]): void {
  mkdirSync(folder, { recursive: true });
  const series = (name: string, of: (one: Worth) => number) => ({
    name,
    points: worth.map((one) => ({ x: one.bytes, y: of(one) })),
  });
  const worthPlot = plot({
    title: 'What caching registrations is worth',
    y: 'time of one send',
    show: showTime,
    series: [series(`cached, ${name}`, (one) => one.cached), series('none', (one) => one.none)],
  });
  writeFileSync(join(folder, 'memory-worth.svg'), worthPlot);
  const at = (regions: number, { lease }: ByAddress) => ({ x: regions, y: lease });
  const curvePlot = plot({
    title: 'Finding a registration by address',
    y: 'time of acquire and release',
    show: showTime,
    x: { title: 'cached regions', show: (value) => Math.round(value).toLocaleString('en') },
    series: [
      { name: 'in turn', points: curve.map(({ regions, inTurn }) => at(regions, inTurn)) },
      { name: 'at random', points: curve.map(({ regions, atRandom }) => at(regions, atRandom)) },
    ],
  });
  writeFileSync(join(folder, 'memory-lookup.svg'), curvePlot);
}

async function idleLines(name: MonitorName): Promise<Line[]> {
  const unpinned = await unpinning(name);
  const idle = await idling(name);
  return [
    { what: 'freed to unpinned, no traffic: middle', value: unpinned.middle, unit: 'ms' },
    { what: 'freed to unpinned, no traffic: worst', value: unpinned.worst, unit: 'ms', most: 100 },
    { what: 'processor in an idle second, without a manager', value: idle.without, unit: 'µs' },
    { what: 'processor in an idle second, 200 regions cached', value: idle.with, unit: 'µs' },
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      monitor: { type: 'string' },
      svg: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const monitor = openMonitor(values.monitor as MonitorName | undefined);
  const name = monitor.name as MonitorName;
  monitor.close();
  const hot = hotPath();
  const curve = CURVE_REGIONS.map((regions) => ({
    regions,
    inTurn: byAddress(regions, 'in turn'),
    atRandom: byAddress(regions, 'at random'),
  }));
  const misses = name === 'none' ? [] : MISS_BYTES.map((bytes) => missOf(name, bytes));
  const worth = WORTH_BYTES.map((bytes) => worthOf(name, bytes));
  const idle = name === 'none' ? [] : await idleLines(name);
  if (values.svg !== undefined) writePlots(values.svg, name, curve, worth);
  if (values.json) {
    console.log(JSON.stringify({ monitor: name, hot, curve, misses, worth, idle }));
    return;
  }
  console.log('The hot path (processor time, least of nine rounds)');
  for (const line of hot) console.log(show(line));
  printCurve(curve);
  if (misses.length > 0) printMisses(misses);
  printWorth(name, worth);
  console.log(`\nWith nothing to do (${name})`);
  for (const line of idle) console.log(show(line));
}

await main();
