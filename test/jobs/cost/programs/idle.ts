/**
 * A rank that waits uses no processor: rank 1 blocked, rank 0 in the event loop, three times for three
 * seconds. The first word is the share of a core that it may use: 0.01, unless the processor is emulated. The
 * median counts: on a busy machine one wait may cost more, and one that polls costs all of a core each time.
 */
import { MPI } from '../../../../runtime/index.ts';
import { assert, pause, sayOk } from '../../lib.ts';

const ROUNDS = 3;
const SECONDS = 3;
const SHARE_MOST = Number(process.argv[2] ?? 0.01);
const world = MPI.world;
const got = new Uint8Array(8);
const used = (since: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
};
const shares: number[] = [];
world.barrierSync();
for (let round = 0; round < ROUNDS; round++) {
  if (world.rank === 0) {
    const answer = world.recv(got, 1);
    await pause(200);
    const start = process.cpuUsage();
    await pause(SECONDS * 1000);
    shares.push(used(start) / SECONDS);
    world.sendSync(got, 1);
    await answer;
  } else {
    const request = world.irecv(got, 0);
    // What the wait itself polls before it sleeps is part of it.
    const start = process.cpuUsage();
    request.wait();
    shares.push(used(start) / SECONDS);
    world.sendSync(got, 0);
  }
}
const share = shares.sort((a, b) => a - b)[ROUNDS >> 1];
assert(
  share < SHARE_MOST,
  `rank ${world.rank} used ${(share * 100).toFixed(2)} % of a core while it waited`,
);
sayOk();
