/**
 * One collective operation, timed as the peers' program does it: every rank calls it in a row, block after block of calls, and of
 * each block the slowest rank's time counts. Arguments: operation, plain or allocated, bytes that one rank contributes….
 * Prints a JSON object a line.
 */
import { MAX, MPI, SUM } from '../../../runtime/index.ts';

const BLOCKS = 41;
const { world } = MPI;
const { rank, size } = world;
const [operation = 'barrier', memory = 'plain', ...sizes] = process.argv.slice(2);

function elements(count: number): Float64Array {
  if (memory === 'plain' || count === 0) return new Float64Array(count);
  return new Float64Array(MPI.allocate(count * 8), 0, count);
}

function callOf(count: number): () => unknown {
  const mine = elements(count);
  const other = elements(count);
  const all = elements(count * size);
  const blocks = elements(count * size);
  const root = rank === 0;
  const calls: Record<string, () => unknown> = {
    barrier: () => world.barrierSync(),
    bcast: () => world.bcastSync(mine, 0),
    reduce: () => world.reduceSync(mine, root ? other : null, SUM, 0),
    allreduce: () => world.allreduceSync(mine, other, SUM),
    gather: () => world.gatherSync(mine, root ? all : null, 0),
    scatter: () => world.scatterSync(root ? all : null, mine, 0),
    allgather: () => world.allgatherSync(mine, all),
    alltoall: () => world.alltoallSync(blocks, all),
    reduceScatterBlock: () => world.reduceScatterBlockSync(blocks, other, SUM),
    scan: () => world.scanSync(mine, other, SUM),
  };
  const call = calls[operation];
  if (call === undefined) throw new Error(`there is no operation ${operation}`);
  return call;
}

/** As many as the peers' program does. */
function roundsOf(bytes: number): number {
  if (bytes <= 1024) return 2000;
  if (bytes <= 65536) return 400;
  return bytes <= 1048576 ? 40 : 8;
}

for (const bytes of sizes.map(Number)) {
  const call = callOf(bytes / 8);
  const rounds = roundsOf(bytes);
  // V8 compiles meanwhile.
  for (let i = 0; i < rounds * 4; i++) call();
  const times: number[] = [];
  for (let block = 0; block < BLOCKS; block++) {
    world.barrierSync();
    const start = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) call();
    const ns = Number(process.hrtime.bigint() - start) / rounds;
    times.push(world.allreduceSync(ns, MAX));
  }
  times.sort((one, other) => one - other);
  const figure = { mode: operation, memory, ranks: size, bytes, ns: times[BLOCKS >> 1] };
  if (rank === 0) process.stdout.write(`${JSON.stringify({ ...figure, best: times[0] })}\n`);
}
