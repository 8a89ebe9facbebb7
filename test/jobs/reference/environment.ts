/** What the reference shows of errors, memory, and what a rank says of itself (MPI 4.1, chapters 9 and 11). */
import assert from 'node:assert/strict';
import {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  type ErrorHandling,
  MPI,
  MpiError,
  type SharedMemory,
  type Statistics,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
const { rank } = world;
const other = 1 - rank;

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    async 'MPI, MPI.allocate, MPI.free, SharedMemory'() {
      const memory: SharedMemory = MPI.allocate(8 * 1000);
      const numbers = new Float64Array(memory).fill(rank);
      await MPI.world.sendrecvReplace(numbers, other);
      assert.equal(numbers[999], other);
      MPI.free(memory); // Or `using memory = …`, or leave it to the collector.
      assert.equal(numbers.length, 0);
    },

    'MPI.abort, communicator.abort'() {
      if (world.size === 1) MPI.abort(2); // Ends all ranks; the launcher's status is 2.
      if (world.size > 1000) world.abort(3);
    },

    async 'MpiError, ErrorCode, ERROR_CODES'() {
      try {
        await world.send(new Uint8Array(1), 99);
        assert.fail();
      } catch (error) {
        if (!(error instanceof MpiError)) throw error;
        const code: ErrorCode = error.code;
        assert.equal(code, 'ERR_RANK');
        assert.ok(code in ERROR_CODES);
      }
    },

    'new MpiError, ErrorDetails'() {
      const details: ErrorDetails = { rank, peer: other };
      const error = new MpiError('ERR_TIMEOUT', 'no answer', details);
      assert.deepEqual([error.code, error.peer], ['ERR_TIMEOUT', other]);
    },

    async ErrorHandling() {
      using comm = await world.dup();
      const handling: ErrorHandling = 'abort'; // An error in a call on it ends the whole job.
      comm.errors = handling;
      assert.equal(world.errors, 'throw');
    },

    async 'MPI.statistics, Statistics'() {
      const large = new Uint8Array(1_000_000);
      await world.sendrecvReplace(large, other);
      const statistics: Statistics = MPI.statistics();
      assert.ok(Object.keys(statistics.messages).length > 0);
    },

    async 'MPI.inspect'() {
      // A rank that waits for long has its call, and whom it waits for, here.
      for (const { rank: one, operation } of await MPI.inspect())
        if (one === rank) assert.equal(operation, null);
    },
  },
});
