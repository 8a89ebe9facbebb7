/** A rank of bench:network, which mpi.c does for other libraries: `rank.js pingpong|allreduce BYTES…`. */
import { MPI, SUM } from '../../../runtime/index.ts';
import { median } from '../p2p/spread.ts';

/** As in timing.h. V8 needs longer than a C program until it is as fast as it gets. */
const BLOCKS = 201;
const WARM_UP_MS = 1500;
const BLOCK_MS = 0.5;
const ROUNDS_MAX = 1000;

const { world } = MPI;
const [operation = 'pingpong', ...sizes] = process.argv.slice(2);

function runner(bytes: number): (rounds: number) => void {
  const mine = new Float64Array(bytes / 8);
  const other = new Float64Array(bytes / 8);
  if (operation === 'allreduce')
    return (rounds) => {
      for (; rounds > 0; rounds--) world.allreduceSync(mine, other, SUM);
    };
  const first = world.rank === 0;
  const peer = 1 - world.rank;
  return (rounds) => {
    for (; rounds > 0; rounds--) {
      if (first) world.sendSync(mine, peer);
      world.recvSync(other, peer);
      if (!first) world.sendSync(mine, peer);
    }
  };
}

for (const bytes of sizes.map(Number)) {
  const run = runner(bytes);
  const rounds = Int32Array.of(1);
  const end = performance.now() + WARM_UP_MS;
  // As many as fit a block at the highest speed so far: while V8 compiles, a block is interrupted now and then.
  for (let least = Infinity, over = false; !over; ) {
    const start = performance.now();
    run(rounds[0]);
    least = Math.min(least, (performance.now() - start) / rounds[0]);
    over = performance.now() >= end;
    const fits = Math.floor(BLOCK_MS / least);
    rounds[0] = Math.max(1, Math.min(ROUNDS_MAX, fits)) * (over ? -1 : 1);
    world.bcastSync(rounds, 0);
    over = rounds[0] < 0;
    rounds[0] = Math.abs(rounds[0]);
  }
  const blocks: number[] = [];
  for (let block = 0; block < BLOCKS; block++) {
    world.barrierSync();
    const start = performance.now();
    run(rounds[0]);
    const share = operation === 'allreduce' ? 1 : 2;
    blocks.push(((performance.now() - start) * 1e6) / rounds[0] / share);
  }
  if (world.rank === 0)
    process.stdout.write(`${JSON.stringify({ bytes, ns: Math.round(median(blocks)) })}\n`);
}
