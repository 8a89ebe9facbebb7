/**
 * What dreg.ko costs: `npm run bench:kernel`.
 *
 * Runs kernel/selftests/bench_* in a guest and prints ratios within that one boot: the guest is
 * emulated, so its nanoseconds mean nothing outside of it. With `--instructions` they are instructions, which are
 * the same on a busy machine.
 */
import { join } from 'node:path';
import { PACKAGED_KERNELS, type PackagedKernel } from '../guest/harness/kernels.ts';
import { buildModule, buildSelftests } from '../guest/harness/modules.ts';
import { CHECKOUT } from '../guest/harness/paths.ts';
import { readyKernel } from '../guest/harness/ready.ts';
import { describeFailure, runInGuest } from '../guest/harness/run.ts';
import { oneOf, readCommandLine } from '../tools/command-line.ts';

/** Usually 25 s, a minute with `--instructions`; a machine that is busy with other things takes many times longer. */
const TIMEOUT_SECONDS = 900;
const PROGRAMS = ['bench_check', 'bench_monitor', 'bench_munmap', 'bench_filtered', 'bench_memory'];
/** Those that take long: instructions are the same in each round, nearly. */
const ONCE = ['bench_munmap', 'bench_filtered'];
/** Of an empty pair of calls, for each range: 0.65 of the 0.53 that a notifier for each range cost. */
const BATCHED = 0.35;
const MONITORED = [0, 1, 10, 100, 1000, 10_000, 100_000];

const HELP = `usage: npm run bench:kernel -- [options]

Runs kernel/selftests/bench_* in a guest. Ends with status 1 where a limit was not met.

  --kernel ${PACKAGED_KERNELS.join('|')}   one kernel only
  --instructions      count instructions in place of time
  --json              print one JSON object a line, for each kernel
  --help
`;

/** What a benchmark program measured, by name: one value a round. */
type Figures = Map<string, number[]>;

interface Row {
  what: string;
  /** The median over the rounds. */
  value: number;
  unit: string;
  /** The median of the rounds' ratios to the figure `to`. */
  ratio?: number;
  to?: string;
  /** The ratio (or, where there is none, the value) has to stay under this. */
  limit?: number;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2;
}

function readFigures(output: string): Figures {
  const figures: Figures = new Map();
  for (const line of output.split('\n').filter((text) => text.startsWith('{'))) {
    const { name, ns, bytes } = JSON.parse(line) as {
      name: string;
      ns?: number[];
      bytes?: number[];
    };
    figures.set(name, ns ?? bytes ?? []);
  }
  return figures;
}

async function measure(name: PackagedKernel, countInstructions: boolean): Promise<Figures> {
  const kernel = await readyKernel(name);
  const folder = await buildSelftests();
  const bare = join(CHECKOUT, 'kernel', 'selftests', 'bare');
  const command = (program: string) => {
    const rounds = countInstructions && ONCE.includes(program) ? ' --rounds 1' : '';
    return `${join(folder, program)}${rounds} || exit 1\n`;
  };
  const result = await runInGuest({
    kernel: name,
    modules: [await buildModule(kernel), await buildModule(kernel, { source: bare })],
    commands: PROGRAMS.map(command).join(''),
    timeoutSeconds: TIMEOUT_SECONDS,
    countInstructions,
  });
  if (!result.ok) throw new Error(describeFailure(result));
  return readFigures(result.output);
}

/** Looks figures up by name; one that is missing is an error. */
function rowMaker(figures: Figures) {
  const of = (name: string): number[] => {
    const values = figures.get(name);
    if (!values?.length) throw new Error(`the guest did not measure "${name}"`);
    return values;
  };
  const ratioTo = (what: string, to: string): number => {
    const base = of(to);
    return median(of(what).map((value, round) => value / base[round]!));
  };
  const time = (what: string, to?: string, limit?: number): Row => ({
    what,
    value: median(of(what)),
    unit: 'ns',
    ...(to === undefined ? {} : { to, ratio: ratioTo(what, to) }),
    ...(limit === undefined ? {} : { limit }),
  });
  const bytes = (what: string, limit?: number): Row => ({
    what,
    value: median(of(what)),
    unit: 'bytes',
    ...(limit === undefined ? {} : { limit }),
  });
  return { time, bytes };
}

/**
 * Limits are those which the project promises (docs/internals/dreg.md). That of a batch is one of time alone: it is
 * a ratio to calls, and an instruction that enters the kernel takes longer than one that goes down a tree.
 */
function makeRows(figures: Figures, instructions: boolean): Row[] {
  const { time, bytes } = rowMaker(figures);
  const single = 'MONITOR + UNMONITOR';
  const unmapping = (ranges: number) => `munmap, ${ranges} ranges`;
  return [
    time('load of ordinary memory'),
    time('check', 'load of ordinary memory'),
    time('reaping, a slot', 'load of ordinary memory'),
    time('empty ioctl pair'),
    time('bare insert + remove', 'empty ioctl pair'),
    time(single, 'empty ioctl pair', 2.2),
    time(`${single}, batch of 64`, 'empty ioctl pair', instructions ? undefined : BATCHED),
    time('munmap, no dreg'),
    time('munmap, a bare notifier', 'munmap, no dreg'),
    ...MONITORED.map((ranges) => time(unmapping(ranges), 'munmap, no dreg')),
    time(unmapping(100_000), 'munmap, a bare notifier', 1.1),
    ...['fork', 'mprotect pair'].flatMap((what) => [
      time(`${what}, no dreg`),
      time(`${what}, a bare notifier`, `${what}, no dreg`),
      time(`${what}, 0 ranges`, `${what}, a bare notifier`),
      time(`${what}, 100000 ranges`, `${what}, 0 ranges`, 1.1),
    ]),
    time('munmap of all, no dreg'),
    time('munmap of all, 0 ranges', 'munmap of all, no dreg'),
    time('munmap of all, 100000 ranges', 'munmap of all, 0 ranges'),
    time('close, 0 ranges'),
    time('close, 100000 ranges', 'close, 0 ranges'),
    bytes('kernel memory a range, charged', 256),
    bytes('kernel memory a range, system', 256),
    bytes("kernel memory a range, dreg's counter", 256),
  ];
}

/** Undefined where there is no limit. */
function isMet({ ratio, value, limit }: Row): boolean | undefined {
  return limit === undefined ? undefined : (ratio ?? value) <= limit;
}

function print(row: Row): void {
  const value = `${row.value.toFixed(1)} ${row.unit}`;
  const ratio = row.ratio === undefined ? '' : `${row.ratio.toFixed(2)} x ${row.to}`;
  const met = isMet(row);
  const verdict = met === undefined ? '' : ` (at most ${row.limit}: ${met ? 'met' : 'NOT MET'})`;
  process.stdout.write(`${row.what.padEnd(40)}${value.padStart(14)}  ${ratio}${verdict}\n`);
}

async function main(): Promise<number> {
  const settings = readCommandLine({
    name: 'bench:kernel',
    help: HELP,
    options: {
      kernel: { type: 'string' },
      instructions: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
    read: ({ kernel, instructions, json }) => ({
      instructions,
      kernels:
        kernel === undefined ? PACKAGED_KERNELS : [oneOf(PACKAGED_KERNELS, kernel, 'kernel')],
      json,
    }),
  });
  if (settings === null) return Number(process.exitCode ?? 0);
  const { kernels, instructions, json } = settings;
  let good = true;
  for (const kernel of kernels) {
    const rows = makeRows(await measure(kernel, instructions), instructions);
    good &&= rows.every((row) => isMet(row) !== false);
    if (json) {
      process.stdout.write(`${JSON.stringify({ kernel, rows })}\n`);
      continue;
    }
    process.stdout.write(
      `kernel ${kernel} (emulated${instructions ? '; a ns is an instruction' : ''})\n`,
    );
    for (const row of rows) print(row);
  }
  return good ? 0 : 1;
}

process.exitCode = await main();
