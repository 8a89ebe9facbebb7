/** A rank that waits uses no processor: rank 1 blocked, rank 0 in the event loop, for five seconds. */
import { MPI } from '../../../runtime/index.ts';
import { assert, pause, sayOk } from './lib.ts';

const SECONDS = 5;
const world = MPI.world;
const got = new Uint8Array(8);
const used = (since: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
};
world.barrierSync();
let seconds: number;
if (world.rank === 0) {
  const answer = world.recv(got, 1);
  await pause(200);
  const start = process.cpuUsage();
  await pause(SECONDS * 1000);
  seconds = used(start);
  world.sendSync(got, 1);
  await answer;
} else {
  const request = world.irecv(got, 0);
  // What the wait itself polls before it sleeps is part of it.
  const start = process.cpuUsage();
  request.wait();
  seconds = used(start);
  world.sendSync(got, 0);
}
const share = seconds / SECONDS;
assert(
  share < 0.01,
  `rank ${world.rank} used ${(share * 100).toFixed(2)} % of a core while it waited`,
);
sayOk();
