/** A rank of bench:network, which mpi.c does for other libraries: `rank.js pingpong|allreduce BYTES…`. */
import { MPI, SUM } from '../../../runtime/index.ts';
import { median } from '../p2p/spread.ts';

/** As in timing.h. V8 needs longer than a C program until it is as fast as it gets. */
const BLOCKS = 31;
const WARM_UP_MS = 600;
const BLOCK_MS = 4;
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
  const rounds = new Int32Array(1);
  let took = 0;
  for (let done = 1; rounds[0] === 0; done++) {
    const start = performance.now();
    run(1);
    took += performance.now() - start;
    if (took >= WARM_UP_MS)
      rounds[0] = Math.max(1, Math.min(ROUNDS_MAX, Math.floor((BLOCK_MS * done) / took)));
    world.bcastSync(rounds, 0);
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
