/** What a job costs beside its messages: the time to start, and memory. */
import type { CommunicatorFigures } from './communicators.ts';
import { run, runJob } from './programs.ts';
import { median } from './spread.ts';

const START_ROUNDS = 5;
const START_ADDS_MOST_MS = 100;
const START_MANY_RANKS = 32;
const START_MANY_MOST_MS = 10_000;
const OVERHEAD_MOST_MB = 25;
const PAIR_MOST_KIB = 160;
/** On a communicator of split, to the same on the world. */
const SPLIT_MOST = 1.05;
/** To a barrier. */
const DUP_MOST = 2.5;
/** Bytes of heap a message: the smallest object takes more. */
const HEAP_MOST = 1;

export interface Cost {
  what: string;
  value: number;
  unit: string;
  most: number;
  met: boolean;
}

function cost(what: string, value: number, unit: string, most: number): Cost {
  return { what, value: Number(value.toPrecision(3)), unit, most, met: value <= most };
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

async function startCosts(): Promise<Cost[]> {
  const start = (ranks: number) => milliseconds(() => runJob(ranks, 'test/bench/p2p/start.js', []));
  const bare = () => milliseconds(() => run(process.execPath, ['-e', '0']));
  const added: number[] = [];
  for (let round = 0; round < START_ROUNDS; round++) added.push(-(await bare()) + (await start(2)));
  return [
    cost(
      'dregrun -n 2, init, finalize: added to a bare Node',
      median(added),
      'ms',
      START_ADDS_MOST_MS,
    ),
    cost(
      `dregrun -n ${START_MANY_RANKS}, init, finalize`,
      await start(START_MANY_RANKS),
      'ms',
      START_MANY_MOST_MS,
    ),
  ];
}

/** What memory.ts prints. */
export interface MemoryFigures {
  /** Bytes of resident memory after contact with the other rank. */
  resident: number;
  /** Bytes of the shared segment before contact and after it. */
  segmentBefore: number;
  segmentAfter: number;
  /** Growth of the heap, and collections, while `messages` small messages were sent and received. */
  messages: number;
  heapGrowth: number;
  collections: number;
}

async function memoryCosts(): Promise<Cost[]> {
  const script = 'setImmediate(() => console.log(process.memoryUsage.rss()))';
  const bare = Number(await run(process.execPath, ['--input-type=module', '-e', script]));
  const text = await runJob(2, 'test/bench/p2p/memory.js', []);
  const figures = JSON.parse(text) as MemoryFigures;
  const pair = figures.segmentAfter - figures.segmentBefore;
  return [
    cost('a rank beyond a bare Node', (figures.resident - bare) / 1e6, 'MB', OVERHEAD_MOST_MB),
    cost('shared segment, each pair in contact', pair / 1024, 'KiB', PAIR_MOST_KIB),
    cost(
      `heap growth a message, over ${figures.messages} messages`,
      figures.heapGrowth / figures.messages,
      'B',
      HEAP_MOST,
    ),
    cost('garbage collections meanwhile', figures.collections, '', 0),
  ];
}

async function communicatorCosts(): Promise<Cost[]> {
  const ratio = async (ranks: number) => {
    const text = await runJob(ranks, 'test/bench/p2p/communicators.js', []);
    return (JSON.parse(text) as CommunicatorFigures).ratio;
  };
  return [
    cost('a message on a communicator of split, to the world', await ratio(2), '', SPLIT_MOST),
    cost('dup and free on 4 ranks, to a barrier', await ratio(4), '', DUP_MOST),
  ];
}

export async function measureCosts(): Promise<Cost[]> {
  return [...(await startCosts()), ...(await memoryCosts()), ...(await communicatorCosts())];
}
