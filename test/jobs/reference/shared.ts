/** What the reference shows of memory that processes share. Ranks need none of it: these are processes like any others here. */
import assert from 'node:assert/strict';
import {
  MpiError,
  notify,
  SharedMemory,
  type WaitResult,
  wait,
  waitAsync,
} from '../../../runtime/shared.ts';
import { defineJob } from '../job.ts';

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    'SharedMemory, SharedMemory.create, SharedMemory.open, sharedMemory.close'() {
      const name = `prices-${process.pid}`;
      const memory = SharedMemory.create(4096, name);
      // Another process of the same user, or a child that was given `memory.fd`.
      const there = SharedMemory.open(name);
      Atomics.store(new Int32Array(memory.buffer), 0, 42);
      assert.equal(Atomics.load(new Int32Array(there.buffer), 0), 42);
      memory.close();
      there.close(); // The last one: the name is free, and the memory gone.
    },

    async 'sharedMemory.wait, sharedMemory.waitAsync, sharedMemory.notify'() {
      using memory = SharedMemory.create(4096);
      const cells = new Int32Array(memory.buffer);
      assert.equal(memory.wait(cells, 0, 1), 'not-equal');
      const woken = memory.waitAsync(cells, 0, 0);
      Atomics.store(cells, 0, 1);
      assert.equal(memory.notify(cells, 0), 1);
      assert.equal(await woken, 'ok');
    },

    async 'wait, waitAsync, notify, WaitResult'() {
      using memory = SharedMemory.create(4096);
      const cells = new BigInt64Array(memory.buffer);
      const ended: WaitResult = wait(cells, 0, 0n, 10);
      assert.equal(ended, 'timed-out');
      const woken = waitAsync(cells, 0, 0n);
      notify(cells, 0);
      assert.equal(await woken, 'ok');
    },

    MpiError() {
      try {
        SharedMemory.open('nothing-of-that-name');
        assert.fail();
      } catch (error) {
        if (!(error instanceof MpiError)) throw error;
        assert.equal(error.code, 'ERR_ARG');
      }
    },
  },
});
