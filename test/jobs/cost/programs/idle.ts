/**
 * A rank that waits sleeps: rank 1 blocked, rank 0 in the event loop, twice for two seconds. It may
 * wake ten times a second, and one that polls uses all of a core; what a wait costs to the thousandth is for a
 * benchmark, since a busy machine makes the same instructions dearer.
 */
import { readFileSync } from 'node:fs';
import { MPI } from '../../../../runtime/index.ts';
import { assert, pause, sayOk } from '../../lib.ts';

const ROUNDS = 2;
const SECONDS = 2;
/** Half of what polling uses: an emulated machine spends a tenth on the few wakes. */
const SHARE_MOST = 0.5;
const WAKES_A_SECOND_MOST = 10;
const world = MPI.world;
const got = new Uint8Array(8);

/** How often the main thread has slept. */
function sleeps(): number {
  const status = readFileSync(`/proc/self/task/${process.pid}/status`, 'utf8');
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
}

/** Begins to measure; what is given back asserts that the time since then was spent asleep. */
function measure(): () => void {
  const slept = sleeps();
  const start = process.cpuUsage();
  const began = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(start);
    const wakes = sleeps() - slept;
    // On a busy machine the other rank comes later, and this one has waited longer.
    const seconds = (performance.now() - began) / 1000;
    const share = (user + system) / 1e6 / seconds;
    const where = `rank ${world.rank} woke ${wakes} times and used ${(share * 100).toFixed(1)} % of a core`;
    const few = wakes > 0 && wakes <= WAKES_A_SECOND_MOST * seconds;
    assert(few && share < SHARE_MOST, `${where} in ${seconds} s`);
  };
}

world.barrierSync();
for (let round = 0; round < ROUNDS; round++) {
  if (world.rank === 0) {
    const answer = world.recv(got, 1);
    await pause(200);
    const end = measure();
    await pause(SECONDS * 1000);
    end();
    world.sendSync(got, 1);
    await answer;
  } else {
    const request = world.irecv(got, 0);
    // What the wait itself polls before it sleeps is part of it.
    const end = measure();
    request.wait();
    end();
    world.sendSync(got, 0);
  }
}
sayOk();
