/** A request fails, and the program does not look at it: it finalizes, drops it, or looks late. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MPI } from '../../../../../runtime/index.ts';

const [, , how, what = 'receive'] = process.argv;

function start() {
  if (what === 'collective') return MPI.world.bcast(new Uint8Array(1), 7);
  const request = MPI.world.irecv(new Uint8Array(1), 0, 1);
  MPI.world.isend(new Uint8Array(2), 0, 1);
  return request;
}

function fail(): void {
  const request = start();
  // The collector may run at any moment, and find a request that nothing holds before the program ends.
  if (how !== 'drops') Object.assign(globalThis, { request });
  while (!request.done) MPI.world.iprobe(0, 2);
  if (how === 'looks')
    try {
      request.wait();
    } catch {
      // Seen.
    }
}

process.on('unhandledRejection', (error) => {
  process.stderr.write(`not handled: ${error}\n`);
  process.exit(1);
});
fail();
if (how === 'finalizes')
  try {
    MPI.finalize();
  } catch (error) {
    process.stderr.write(`finalize: ${error}\n`);
    process.exitCode = 1;
  }
if (how === 'drops') {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (;;) {
    await sleep(10);
    collect();
  }
}
