/**
 * Messages between machines without RDMA, beside others: `npm run bench:network`.
 *
 * Within a round everybody has a turn at each place, so that a change of the machine's mood meets all of them. Ratios
 * are formed within a round, and the figures are medians over rounds.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { positiveInteger, readCommandLine, UsageError } from '../tools/command-line.ts';
import { overBySignal } from './environment.ts';
import { type Contender, gather, type Operation } from './network/contenders.ts';
import { openPlace } from './network/places.ts';
import { type Row, rowsOf, TARGETS, type Taken } from './network/rows.ts';
import { bars } from './network/svg.ts';

const SIZES = [8, 65536, 1048576, 16777216];
const DELAYS = '0.1,1';

const HELP = `usage: npm run bench:network -- [options]

Half round trips and allreduce between two ranks over libfabric, on the loopback and between two network
namespaces (as root), beside a bare TCP echo, fi_pingpong, Open MPI and UCX over TCP, as far as they are here.

  --rounds N         rounds (default 5)
  --sizes 8,65536    bytes of a message, multiples of 8 (default ${SIZES.join(',')})
  --delays 0.1,1     one way, in ms: two hosts each; none: the loopback alone (default ${DELAYS})
  --providers a,b    of fi_pingpong (default net,tcp;ofi_rxm)
  --peers-only       leave ours out
  --svg FILE         a picture of half round trips
  --json             one JSON object a line
  --check            end with status 1 where a target was missed
  --help

Of blocks of rounds the median counts; of fi_pingpong, which says means alone, the median of three runs.
`;

function delaysOf(text: string): number[] {
  if (text === 'none') return [];
  return text.split(',').map((one) => {
    const value = Number(one);
    if (one === '' || !(value >= 0 && value <= 1000))
      throw new UsageError(`--delays: "${one}" is no number of ms from 0 to 1000`);
    return Math.round(value * 1000);
  });
}

function sizesOf(text: string): number[] {
  return text.split(',').map((one) => {
    const bytes = positiveInteger(one, 'sizes');
    if (bytes % 8 === 0) return bytes;
    throw new UsageError(`--sizes: "${one}" is no multiple of 8`);
  });
}

interface Settings {
  rounds: number;
  sizes: number[];
  delays: number[];
}

/** All rounds. Who fails says so, and is left out of what that round says of the place. */
async function measure(contenders: readonly Contender[], settings: Settings): Promise<Taken[]> {
  const { rounds, sizes, delays } = settings;
  const taken: Taken[] = [];
  const isOver = overBySignal();
  for (let round = 0; round < rounds && !isOver(); round++)
    for (const delay of [null, ...delays]) {
      if (isOver()) break;
      const place = await openPlace(delay);
      try {
        for (const operation of ['pingpong', 'allreduce'] as Operation[])
          for (const contender of contenders.filter((one) => one.operations.includes(operation)))
            try {
              const { name: who } = contender;
              for (const figure of await contender.run(place, operation, sizes))
                taken.push({
                  round,
                  place: place.name,
                  link: place.link,
                  operation,
                  who,
                  ...figure,
                });
            } catch (error) {
              console.error(
                `${contender.name}, ${place.name}, ${operation}: ${(error as Error).message}`,
              );
            }
      } finally {
        await place.close();
      }
    }
  return taken;
}

function show({ place, link, operation, who, bytes, us, ours, targets }: Row): string {
  const spread = `(${us.least.toFixed(1)} to ${us.most.toFixed(1)})`;
  const said = targets.map(
    ({ of, most, value, met }) =>
      `${met ? 'met' : 'MISSED'}: ${value.toFixed(2)} of ${of}, at most ${most}`,
  );
  return [
    `${place} (${link})`.padEnd(22),
    operation.padEnd(10),
    `${bytes} B`.padStart(11),
    `  ${who.padEnd(24)}`,
    us.median.toFixed(1).padStart(10),
    spread.padStart(24),
    ours === null ? '' : `  ours/its ${ours.median.toFixed(2)}`,
    said.map((one) => `  ${one}`).join(''),
  ].join('');
}

async function main(): Promise<void> {
  const settings = readCommandLine({
    name: 'bench:network',
    help: HELP,
    options: {
      rounds: { type: 'string', default: '5' },
      sizes: { type: 'string', default: SIZES.join(',') },
      delays: { type: 'string', default: DELAYS },
      providers: { type: 'string', default: 'net,tcp;ofi_rxm' },
      'peers-only': { type: 'boolean', default: false },
      svg: { type: 'string' },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
    },
    read: ({ rounds, sizes, delays, providers, svg, json, check, ...rest }) => ({
      rounds: positiveInteger(rounds, 'rounds'),
      sizes: sizesOf(sizes),
      delays: delaysOf(delays),
      providers: providers.split(','),
      peersOnly: rest['peers-only'],
      ...{ svg, json, check },
    }),
  });
  if (settings === null) return;
  const { json, svg, peersOnly } = settings;
  if (settings.delays.length > 0 && process.getuid?.() !== 0) {
    console.error('only root may make network namespaces: the loopback alone is measured');
    settings.delays = [];
  }
  const folder = mkdtempSync(join(tmpdir(), 'dreg-bench-'));
  try {
    const all = await gather(folder, settings.providers);
    const contenders = peersOnly ? all.filter(({ name }) => name !== 'ours') : all;
    const rows = rowsOf(await measure(contenders, settings));
    if (!json)
      console.log(
        `${cpus().length} CPUs, Node ${process.version}; µs, medians over rounds (least to most)`,
      );
    for (const row of rows) console.log(json ? JSON.stringify(row) : show(row));
    if (svg !== undefined) writeFileSync(svg, bars(rows));
    const missed = rows.some(({ targets }) => targets.some(({ met }) => !met));
    const judged = rows.some(({ targets }) => targets.length > 0);
    if (settings.check && (missed || !judged)) process.exitCode = 1;
    if (!judged) console.error(`nothing was held against the ${TARGETS.length} targets`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
