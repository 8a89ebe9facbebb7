/** Collective operations on arrays of a shared heap: each rank reads from where the others' bytes lie. */
import { addon } from '../../../native/addon.ts';
import { HeapWindows } from '../../../transports/shm/heap-windows.ts';
import { defineJob } from '../job.ts';
import { assert, fill, filled, verify } from '../lib.ts';
import { rank, size, world } from '../ring.ts';
import { SHARED_HEAP_SETTINGS } from '../shared-heaps.ts';

const BYTES = 64 * 1024;
const ROOT = size - 1;

/** Times that this rank has read memory that it maps, so far. */
let reads = 0;
const { forEach } = HeapWindows.prototype;
HeapWindows.prototype.forEach = function (...words) {
  reads++;
  forEach.apply(this, words);
};

/** A few times, with other bytes: then all ranks map what they read. */
async function often(least: number, once: (seed: number) => Promise<void>): Promise<void> {
  for (const seed of [100, 200, 300]) {
    await once(seed);
    await world.barrier();
  }
  const before = reads;
  await once(400);
  assert(reads - before >= least, `${reads - before} reads of mapped memory`);
}

/** What each rank has of each other one, by the seeds of both. */
function verifyBlocks(all: Uint8Array, seed: number): void {
  for (let from = 0; from < size; from++)
    verify(all.subarray(from * BYTES, (from + 1) * BYTES), from + seed, `what ${from} has`);
}

export default defineJob({
  ranks: [2, 5],
  settings: [SHARED_HEAP_SETTINGS],
  rdma: [],
  cases: {
    bcast: () =>
      often(rank === ROOT ? 0 : 1, async (seed) => {
        const bytes = rank === ROOT ? filled(BYTES, seed) : new Uint8Array(BYTES);
        await world.bcast(bytes, ROOT);
        verify(bytes, seed, 'what was broadcast');
      }),
    gather: () =>
      often(rank === ROOT ? size - 1 : 0, async (seed) => {
        const all = new Uint8Array(size * BYTES);
        await world.gather(filled(BYTES, rank + seed), all, ROOT);
        if (rank === ROOT) verifyBlocks(all, seed);
      }),
    allgather: () =>
      often(size - 1, async (seed) => {
        const all = new Uint8Array(size * BYTES);
        await world.allgather(filled(BYTES, rank + seed), all);
        verifyBlocks(all, seed);
      }),
    /** Its memory belongs to another array by the time when others may read it: they have its bytes, or an error. */
    async 'what is given away meanwhile'() {
      const comm = await world.dup();
      const mine = filled(BYTES, rank);
      const all = new Uint8Array(size * BYTES);
      const started = comm.allgather(mine, all);
      structuredClone(mine, { transfer: [mine.buffer] });
      addon().collectGarbage();
      for (let i = 0; i < 8; i++) fill(new Uint8Array(BYTES), i);
      const [{ status }] = await Promise.allSettled([started]);
      if (status === 'fulfilled') verifyBlocks(all, 0);
      await world.barrier();
    },
  },
});
