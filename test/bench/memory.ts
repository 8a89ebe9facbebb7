/** What the pinned-memory manager costs and is worth: `npm run bench:memory`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plot } from '../../examples/plot.ts';
import { showBytes, showTime } from '../../examples/report.ts';
import { MONITORS, type MonitorName, openMonitor } from '../../runtime/memory/monitors/open.ts';
import { oneOf, readCommandLine, someOf } from '../tools/command-line.ts';
import { type ByAddress, byAddress, type Hit, hotPath } from './memory/hot.ts';
import { idling, unpinning } from './memory/idle.ts';
import { type Miss, missOf, type Worth, worthOf } from './memory/miss.ts';
import { isMissed, LEAST_OF, type Line, show } from './memory/timing.ts';

// Nothing here puts guard pages into the memory that it registers.
process.env.DREG_UFFD_GUARDS ??= 'trust';

const MISS_BYTES = [64 * 1024, 2 ** 20, 16 * 2 ** 20];
const WORTH_BYTES = Array.from({ length: 9 }, (_, i) => 64 * 1024 * 2 ** i);
const CURVE_REGIONS = [100, 1000, 10_000, 100_000, 1_000_000];
/** So many of them the aim is for. */
const AIMED_REGIONS = 10_000;
/** What a miss may cost beside the bare calls. */
const MISS_RATIO_MAX = 1.15;

const PARTS = ['hot', 'curve', 'miss', 'worth', 'idle'] as const;

type Part = (typeof PARTS)[number];

const HELP = `usage: npm run bench:memory -- [options]

  --monitor NAME     auto, ${MONITORS.join(', ')} (default: DREG_MONITOR, or auto)
  --only ${PARTS.join(',')}
                     some of: the hot path; a hit by address by the number of regions; what a miss
                     costs; what caching is worth; what memory costs that nobody uses any more
  --svg FOLDER       also write the plots of curve and worth
  --json             print one JSON object
  --check            end with status 1 where an aim was missed
  --help

Without a monitor that caches (none) there is no miss and nothing idle to measure.
`;

const cell = (text: string) => text.padStart(12);
const row = (cells: string[]) => console.log(cells.map(cell).join(' '));

function printCurve(points: ByAddress[]): void {
  console.log('\nA hit by address, by the number of cached regions and the order of the leases;');
  console.log('"pick" is the part of it that fetching the view from memory takes');
  row(['regions', 'in turn', 'pick', 'at random', 'pick']);
  for (const { regions, inTurn, atRandom } of points)
    row([
      regions.toLocaleString('en'),
      ...[inTurn.lease, inTurn.pick, atRandom.lease, atRandom.pick].map(showTime),
    ]);
}

const ratioOf = ({ managed, bare }: Miss) => managed / bare;
const isMissDear = (miss: Miss) => ratioOf(miss) > MISS_RATIO_MAX;

function printMisses(misses: Miss[]): void {
  console.log('\nA miss and its eviction, beside the four calls it is made of (medians)');
  row(['size', 'monitor', 'register', 'deregister', 'unmonitor', 'all four', 'a miss', 'ratio']);
  for (const miss of misses) {
    const ratio = ratioOf(miss);
    const times = [miss.monitor, miss.register, miss.deregister, miss.unmonitor, miss.bare];
    const verdict = isMissDear(miss) ? 'MISSED' : 'kept';
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

function plotWorth(name: string, worth: Worth[]): string {
  const series = (name: string, of: (one: Worth) => number) => ({
    name,
    points: worth.map((one) => ({ x: one.bytes, y: of(one) })),
  });
  return plot({
    title: 'What caching registrations is worth',
    y: 'time of one send',
    show: showTime,
    series: [series(`cached, ${name}`, (one) => one.cached), series('none', (one) => one.none)],
  });
}

function plotCurve(curve: ByAddress[]): string {
  const series = (name: string, of: (one: ByAddress) => Hit) => ({
    name,
    points: curve.map((one) => ({ x: one.regions, y: of(one).lease })),
  });
  return plot({
    title: 'Finding a registration by address',
    y: 'time of acquire and release',
    show: showTime,
    x: { title: 'cached regions', show: (value) => Math.round(value).toLocaleString('en') },
    series: [
      series('in turn', ({ inTurn }) => inTurn),
      series('at random', ({ atRandom }) => atRandom),
    ],
  });
}

function writePlots(folder: string, { monitor, curve, worth }: Results): void {
  mkdirSync(folder, { recursive: true });
  if (worth.length > 0) writeFileSync(join(folder, 'memory-worth.svg'), plotWorth(monitor, worth));
  if (curve.length > 1) writeFileSync(join(folder, 'memory-lookup.svg'), plotCurve(curve));
}

/** "None", as exactly as a machine that does other things can say it: a hundredth of the second. */
const IDLE_MICROS_MAX = 10_000;

async function idleLines(name: MonitorName): Promise<Line[]> {
  const unpinned = await unpinning(name);
  const idle = await idling(name);
  return [
    { what: 'freed to unpinned, no traffic: middle', value: unpinned.middle, unit: 'ms' },
    { what: 'freed to unpinned, no traffic: worst', value: unpinned.worst, unit: 'ms', most: 100 },
    { what: 'processor in an idle second, without a manager', value: idle.without, unit: 'µs' },
    { what: 'processor in an idle second, 200 regions cached', value: idle.with, unit: 'µs' },
    { what: 'the difference', value: idle.with - idle.without, unit: 'µs', most: IDLE_MICROS_MAX },
  ];
}

/** What was measured; what was not asked for is empty. */
interface Results {
  monitor: string;
  hot: Line[];
  curve: ByAddress[];
  misses: Miss[];
  worth: Worth[];
  idle: Line[];
}

async function measure(chosen: MonitorName | 'auto' | undefined, parts: Part[]): Promise<Results> {
  const opened = openMonitor(chosen);
  const monitor = opened.name as MonitorName;
  const { caches } = opened;
  opened.close();
  const has = (part: Part) => parts.includes(part);
  const sizes = has('curve') ? CURVE_REGIONS : has('hot') ? [AIMED_REGIONS] : [];
  const points = sizes.map(byAddress);
  const aimed = points.find(({ regions }) => regions === AIMED_REGIONS);
  return {
    monitor,
    hot: has('hot') && aimed ? hotPath(aimed) : [],
    curve: has('curve') ? points : [],
    misses: has('miss') && caches ? MISS_BYTES.map((bytes) => missOf(monitor, bytes)) : [],
    worth: has('worth') ? WORTH_BYTES.map((bytes) => worthOf(monitor, bytes)) : [],
    idle: has('idle') && caches ? await idleLines(monitor) : [],
  };
}

function print({ monitor, hot, curve, misses, worth, idle }: Results): void {
  if (hot.length > 0)
    console.log(`The hot path (processor time, least of ${LEAST_OF} rounds in turn)`);
  for (const line of hot) console.log(show(line));
  if (curve.length > 0) printCurve(curve);
  if (misses.length > 0) printMisses(misses);
  if (worth.length > 0) printWorth(monitor, worth);
  if (idle.length > 0) console.log(`\nWith nothing to do (${monitor})`);
  for (const line of idle) console.log(show(line));
}

async function main(): Promise<void> {
  const settings = readCommandLine({
    name: 'bench:memory',
    help: HELP,
    options: {
      monitor: { type: 'string' },
      only: { type: 'string' },
      svg: { type: 'string' },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
    },
    read: ({ monitor, only, ...rest }) => ({
      ...rest,
      monitor: monitor === undefined ? undefined : oneOf(['auto', ...MONITORS], monitor, 'monitor'),
      parts: only === undefined ? [...PARTS] : someOf(PARTS, only, 'only'),
    }),
  });
  if (settings === null) return;
  const results = await measure(settings.monitor, settings.parts);
  if (settings.svg !== undefined) writePlots(settings.svg, results);
  if (settings.json) console.log(JSON.stringify(results));
  else print(results);
  const { hot, idle, misses } = results;
  if (settings.check && ([...hot, ...idle].some(isMissed) || misses.some(isMissDear)))
    process.exitCode = 1;
}

await main();
