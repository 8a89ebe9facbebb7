/** Two ranks: what does rank 0 hold, and does a small message allocate? Prints MemoryFigures. */
import { fstatSync, readdirSync, readlinkSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MPI, Status } from '../../../runtime/index.ts';
import type { MemoryFigures } from './costs.ts';

const MESSAGES = 1_000_000;
/** A block of fstat's, whatever the file system. */
const BLOCK_BYTES = 512;

function segmentBytes(): number {
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).includes('memfd:dreg-mpi'))
        return fstatSync(fd).blocks * BLOCK_BYTES;
    } catch {
      // The descriptor of the folder that was being read.
    }
  }
  throw new Error('this rank has no shared segment');
}

const status = new Status();
const out = new Uint8Array(8);
const incoming = new Uint8Array(8);

/** Each round is a message each way. */
function exchange(rounds: number): void {
  const comm = MPI.world;
  for (let round = 0; round < rounds; round++) {
    if (comm.rank === 0) {
      comm.sendSync(out, 1);
      comm.recvSync(incoming, 1, 0, status);
    } else {
      comm.recvSync(incoming, 0, 0, status);
      comm.sendSync(out, 0);
    }
  }
}

async function main(): Promise<void> {
  MPI.init();
  const segmentBefore = segmentBytes();
  exchange(1);
  const segmentAfter = segmentBytes();
  const resident = process.memoryUsage.rss();
  exchange(50_000);
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  await sleep(50); // Whatever the start left to be done.
  observer.observe({ entryTypes: ['gc'] });
  const before = process.memoryUsage().heapUsed;
  exchange(MESSAGES / 2);
  const heapGrowth = process.memoryUsage().heapUsed - before;
  await sleep(50); // The observer hears of collections later.
  observer.disconnect();
  const figures: MemoryFigures = {
    resident,
    segmentBefore,
    segmentAfter,
    messages: MESSAGES,
    heapGrowth,
    collections,
  };
  if (MPI.world.rank === 0) console.log(JSON.stringify(figures));
}

await main();
