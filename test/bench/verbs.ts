/**
 * Messages by RDMA beside perftest and a C program on bare verbs, in a guest: `npm run bench:verbs`.
 *
 * The guest is emulated, so its times mean nothing outside of it: figures are ratios within a round.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { showBytes, showTime } from '../../examples/report.ts';
import { PACKAGED_KERNELS, type PackagedKernel } from '../guest/harness/kernels.ts';
import { buildModule } from '../guest/harness/modules.ts';
import { CHECKOUT } from '../guest/harness/paths.ts';
import { readyKernel } from '../guest/harness/ready.ts';
import { describeFailure, runInGuest } from '../guest/harness/run.ts';
import { oneOf, positiveInteger, readCommandLine } from '../tools/command-line.ts';
import type { Spread } from './p2p/spread.ts';
import type { Report } from './verbs/measures.ts';
import {
  type Cached,
  type Called,
  type Compared,
  type Results,
  resultsOf,
  targetsOf,
} from './verbs/verdict.ts';

const ROUNDS = 4;
/** Usually 200 s; a machine that is busy with other things takes many times longer. */
const TIMEOUT_SECONDS = 600;
const MEBIBYTES_A_SECOND = 1e9 / 2 ** 20;

const HELP = `usage: npm run bench:verbs -- [options]

  --kernel 6.1|6.12      the guest's kernel (6.1)
  --rounds N             rounds of all programs in turn (${ROUNDS})
  --json                 one JSON object
  --check                end with status 1 where a target was missed
  --help

Needs what the tests in a guest need (docs/internals/testing.md), and perftest.
`;

/** The C program on bare verbs, where the guest can see it. */
function buildBare(): string {
  const folder = join(CHECKOUT, 'dist/test/bench/verbs');
  const program = join(folder, 'bare');
  mkdirSync(folder, { recursive: true });
  const source = join(CHECKOUT, 'test/bench/verbs/bare.c');
  const words = ['-O2', '-Wall', '-Wextra', source, '-o', program, '-libverbs'];
  execFileSync('cc', words, { stdio: 'inherit' });
  return program;
}

/** Says on a terminal how far it is. */
function follow(): (text: string) => void {
  if (!process.stderr.isTTY) return () => {};
  return (text) => {
    for (const [, phase] of text.matchAll(/^\{"phase":"([^"]*)"/gm))
      process.stderr.write(`\r\x1b[K${phase} `);
  };
}

async function measure(name: PackagedKernel, rounds: number): Promise<Report[]> {
  const kernel = await readyKernel(name);
  const conductor = join(CHECKOUT, 'dist/test/bench/verbs/conductor.js');
  const result = await runInGuest({
    kernel: name,
    modules: [await buildModule(kernel)],
    commands: [
      'sh test/guest/rdma.sh lo || exit 1',
      'mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null',
      `exec '${process.execPath}' '${conductor}' rxe0 1 '${buildBare()}' ${rounds}`,
    ].join('\n'),
    timeoutSeconds: TIMEOUT_SECONDS,
    onOutput: follow(),
  });
  if (!result.ok) throw new Error(describeFailure(result));
  const lines = result.output.split('\n').filter((line) => line.startsWith('{"kind"'));
  return lines.map((line) => JSON.parse(line) as Report);
}

const range = ({ median, least, most }: Spread, show: (value: number) => string) =>
  `${show(median)} (${show(least)} to ${show(most)})`;
const ratioText = (ratio: Spread) => range(ratio, (value) => value.toFixed(2));
const verdict = (target: { what: string; met: boolean } | undefined) =>
  target === undefined ? '' : `  ${target.met ? 'met' : 'MISSED'}: ${target.what}`;

function showCompared({ measure, bytes, who, ours, theirs, ratio, target }: Compared): string {
  const show = (ns: number) =>
    measure === 'latency'
      ? showTime(ns)
      : `${((bytes / ns) * MEBIBYTES_A_SECOND).toFixed(0)} MiB/s`;
  const cells = [range(ours, show).padStart(36), range(theirs, show).padStart(36)];
  const name = `${measure}, ${showBytes(bytes)}, ${who}`;
  return `${name.padEnd(30)}${cells.join('')}${ratioText(ratio).padStart(24)}${verdict(target)}`;
}

function showCached(row: Cached): string {
  const { measure, bytes, cached, none, worth, looks, looksPercent, monitorPercent } = row;
  return [
    `${measure}, ${showBytes(bytes)}`.padEnd(18),
    range(cached, showTime).padStart(34),
    range(none, showTime).padStart(34),
    ratioText(worth).padStart(22),
    looks.toFixed(1).padStart(8),
    `${looksPercent.toFixed(3)} %`.padStart(10),
    `${monitorPercent.toFixed(2)} %`.padStart(10),
    verdict(row.target),
  ].join('');
}

function showCalled({ measure, bytes, perMessage, target }: Called): string {
  const calls = Object.entries(perMessage).map(([name, count]) => `${name} ${count.toFixed(3)}`);
  return `${`${measure}, ${showBytes(bytes)}`.padEnd(24)}${calls.join(', ')}${verdict(target)}`;
}

function print(kernel: string, { compared, cached, called }: Results): void {
  console.log(`kernel ${kernel}, rxe (emulated); medians over rounds (least to most)\n`);
  console.log(
    `${''.padEnd(30)}${'ours'.padStart(36)}${'theirs'.padStart(36)}${'ratio'.padStart(24)}`,
  );
  for (const row of compared) console.log(showCompared(row));
  console.log(
    '\nrendezvous, one message and its answer; cached with dreg, or registered each time',
  );
  const heads = ['cached', 'none', 'none/cached', 'looks', 'looks', 'monitor'];
  const widths = [34, 34, 22, 8, 10, 10];
  console.log(`${''.padEnd(18)}${heads.map((head, i) => head.padStart(widths[i])).join('')}`);
  for (const row of cached) console.log(showCached(row));
  console.log('\nsystem calls for each message, both ranks together');
  for (const row of called) console.log(showCalled(row));
}

async function main(): Promise<number> {
  const settings = readCommandLine({
    name: 'bench:verbs',
    help: HELP,
    options: {
      kernel: { type: 'string', default: '6.1' },
      rounds: { type: 'string', default: String(ROUNDS) },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
    },
    read: ({ kernel, rounds, json, check }) => ({
      kernel: oneOf(PACKAGED_KERNELS, kernel, 'kernel'),
      rounds: positiveInteger(rounds, 'rounds'),
      json,
      check,
    }),
  });
  if (settings === null) return Number(process.exitCode ?? 0);
  const { kernel, rounds, json, check } = settings;
  const results = resultsOf(await measure(kernel, rounds));
  if (json) console.log(JSON.stringify({ kernel, ...results }));
  else print(kernel, results);
  return check && targetsOf(results).some(({ met }) => !met) ? 1 : 0;
}

process.exitCode = await main();
