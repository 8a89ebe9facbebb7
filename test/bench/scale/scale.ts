#!/usr/bin/env node
/** `npm run simulate:scale`: connections, memory and start-up of jobs up to a million ranks (docs/internals/scaling.md). */
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { formatBytes } from '../../../runtime/memory/notice.ts';
import { type Estimate, estimate, peersMax } from './arithmetic.ts';
import { COSTS_FILE, type Costs, readCosts } from './costs.ts';
import { PATTERNS, type Pattern } from './patterns.ts';
import { type ConnectionSetup, simulateSetup } from './setup.ts';

/** Connections that are simulated at most: more need more memory than most machines have. */
export const CONNECTIONS_MAX = 20_000_000;
/** Ranks up to the largest number that 32-bit indices of their connections' ends allow. */
const RANKS_MAX = 10_000_000;

const HELP = `usage: npm run simulate:scale -- [options]

Calculates what connections over RDMA take (memory, queue pairs, the launcher's key-value space), and
simulates event by event how the ranks meet: the launcher's fence, then HELLOs until all are connected.

  --ranks 100,10000,1000000    sizes of the job (this is the default)
  --patterns ${PATTERNS.map(({ name }) => name).join(',')}
                               who talks to whom (default: all of these)
  --ranks-per-node N           (default 64)
  --skew-ms T                  ranks come to the fence within this time (default 100)
  --loss SHARE                 of datagrams, by the network (default 0)
  --costs FILE                 other constants than ${COSTS_FILE.replace(/.*\/test/, 'test')}
  --no-simulation              calculation only
  --json                       one JSON object for each size and pattern
  --help

Patterns:
${PATTERNS.map(({ name, says }) => `  ${name.padEnd(10)} ${says}`).join('\n')}
`;

interface Options {
  ranks: number[];
  patterns: Pattern[];
  ranksPerNode: number;
  skewUs: number;
  loss: number;
  costs: Costs;
  simulation: boolean;
  json: boolean;
}

function numberOf(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text !== '' && value >= least && value <= most) return value;
  throw new Error(`--${name}: "${text}" is no number from ${least} to ${most}`);
}

function wholeOf(name: string, text: string, least: number, most: number): number {
  const value = numberOf(name, text, least, most);
  if (Number.isInteger(value)) return value;
  throw new Error(`--${name}: "${text}" is no whole number`);
}

function patternOf(name: string): Pattern {
  const pattern = PATTERNS.find((one) => one.name === name);
  if (pattern !== undefined) return pattern;
  throw new Error(`--patterns: "${name}" is none of ${PATTERNS.map((one) => one.name).join(', ')}`);
}

function parse(words: string[]): Options | null {
  const { values } = parseArgs({
    args: words,
    options: {
      ranks: { type: 'string', default: '100,10000,1000000' },
      patterns: { type: 'string' },
      'ranks-per-node': { type: 'string', default: '64' },
      'skew-ms': { type: 'string', default: '100' },
      loss: { type: 'string', default: '0' },
      costs: { type: 'string' },
      'no-simulation': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  return {
    ranks: values.ranks.split(',').map((text) => wholeOf('ranks', text, 2, RANKS_MAX)),
    patterns: values.patterns?.split(',').map(patternOf) ?? [...PATTERNS],
    ranksPerNode: wholeOf('ranks-per-node', values['ranks-per-node'], 1, 4096),
    skewUs: 1000 * numberOf('skew-ms', values['skew-ms'], 0, 1e6),
    loss: numberOf('loss', values.loss, 0, 0.9),
    costs: readCosts(values.costs),
    simulation: !values['no-simulation'],
    json: values.json,
  };
}

/** Why nothing is simulated, or null. */
function reasonNot(of: Estimate, { costs, simulation }: Options): string | null {
  if (!simulation) return 'not asked for';
  const { peers } = peersMax(costs);
  if (of.peersMost > peers) return 'more peers than a rank can have';
  const connections = (of.ranks * of.peersMean) / 2;
  return connections > CONNECTIONS_MAX ? `more than ${CONNECTIONS_MAX} connections` : null;
}

/** A bar on a terminal, and nothing elsewhere. */
function progressOf(name: string): ((ready: number, ends: number) => void) | undefined {
  if (!process.stderr.isTTY) return undefined;
  return (ready, ends) => {
    const part = ready / Math.max(1, ends);
    const bar = '█'.repeat(Math.round(part * 30)).padEnd(30, '░');
    process.stderr.write(`\r${name.padEnd(20)} ${bar} ${Math.floor(part * 100)} %`);
  };
}

function simulate(of: Estimate, pattern: Pattern, options: Options): ConnectionSetup | string {
  const reason = reasonNot(of, options);
  if (reason !== null) return reason;
  const { costs, ranksPerNode, skewUs, loss } = options;
  const progress = progressOf(`${pattern.name} ${of.ranks}`);
  const sizes = { ranks: of.ranks, pattern, costs, ranksPerNode, skewUs, loss };
  const setup = simulateSetup({ ...sizes, ...(progress && { progress }) });
  if (progress) process.stderr.write('\r\x1b[K');
  return setup;
}

const COLUMNS = [
  ['ranks', 8],
  ['pattern', 8],
  ['peers', 13],
  ['memory/rank', 12],
  ['QPs/node', 9],
  ['keys', 10],
  ['ask launcher', 13],
  ['connected', 11],
  ['HELLOs', 8],
] as const;

const tableLine = (cells: readonly string[]) =>
  cells.map((cell, index) => cell.padStart(COLUMNS[index][1])).join(' ');

function showSeconds(seconds: number): string {
  if (seconds < 1) return `${Number((seconds * 1000).toPrecision(3))} ms`;
  return `${Number(seconds.toPrecision(3))} s`;
}

function lineOf(of: Estimate, setup: ConnectionSetup | string): string {
  const mean = Number(of.peersMean.toFixed(1));
  const peers = of.peersMost === mean ? String(mean) : `${mean}, max ${of.peersMost}`;
  const met = typeof setup === 'string' ? null : setup;
  return tableLine([
    String(of.ranks),
    of.pattern,
    peers,
    formatBytes(Math.round(of.bytesMean)),
    String(Math.round(of.nodeQueues)),
    formatBytes(of.keyBytes),
    showSeconds(of.requestSeconds),
    met ? showSeconds((met.readyMs - met.fenceMs) / 1000) : '-',
    met ? (met.hellos / Math.max(1, met.connections)).toFixed(2) : '-',
  ]);
}

function run(options: Options): void {
  const { ranks, patterns, json } = options;
  if (!json) console.log(tableLine(COLUMNS.map(([name]) => name)));
  const notes: string[] = [];
  for (const size of ranks)
    for (const pattern of patterns) {
      const of = estimate(pattern, size, options);
      const setup = simulate(of, pattern, options);
      if (json) console.log(JSON.stringify({ ...of, setup }));
      else console.log(lineOf(of, setup));
      for (const obstacle of of.obstacles) notes.push(`${size} ${pattern.name}: ${obstacle}`);
    }
  if (json) return;
  for (const note of notes) console.log(`! ${note}`);
  const { peers, limit } = peersMax(options.costs);
  console.log(`
A rank connects with ${peers} peers at most (${limit}).
memory/rank: of connections, on average; keys: the launcher's key-value space; ask launcher: until a
node's launcher has answered its ranks' requests; connected: from the last rank's leaving the fence
until the last connection is ready, simulated; HELLOs: datagrams for each connection.`);
}

function main(): void {
  let options: Options | null;
  try {
    options = parse(process.argv.slice(2));
  } catch (error) {
    console.error(`simulate:scale: ${(error as Error).message}; see --help`);
    process.exitCode = 2;
    return;
  }
  if (options === null) process.stdout.write(HELP);
  else run(options);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
