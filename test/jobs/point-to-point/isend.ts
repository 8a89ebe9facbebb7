/** isend, irecv, and the requests that they give. */
import { Request } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, filled, Random, verify } from '../lib.ts';
import { checkStatus, next, previous, rank, SIZES, size, world } from '../ring.ts';

export default defineJob({
  cases: {
    async 'everybody to everybody'() {
      const each = 8;
      const lengthOf = (from: number, to: number, i: number) =>
        new Random(from * 10_000 + to * 100 + i).pick(SIZES);
      const receives: { request: Request; got: Uint8Array; from: number; i: number }[] = [];
      for (let i = each - 1; i >= 0; i--)
        for (let from = 0; from < size; from++) {
          const got = new Uint8Array(lengthOf(from, rank, i));
          receives.push({ request: world.irecv(got, from, i), got, from, i });
        }
      const sends: Request[] = [];
      for (let i = 0; i < each; i++)
        for (let to = 0; to < size; to++)
          sends.push(world.isend(filled(lengthOf(rank, to, i), rank * 1000 + i), to, i));
      if (rank % 2) Request.waitAll(sends);
      else await Promise.all(sends);
      for (const { request, got, from, i } of receives) {
        const status = rank % 2 ? await request : request.wait();
        checkStatus(status, from, i, got.length);
        verify(got, from * 1000 + i, `message ${i} from rank ${from}`);
      }
    },

    async 'requests may be tested, awaited twice, and waited for after'() {
      const got = new Int32Array(2);
      const request = world.irecv(got.subarray(0, 1), previous, 1);
      const other = world.irecv(got.subarray(1), previous, 2);
      const both = Promise.all([request, request.then((status) => status.tag)]);
      world.sendSync(Int32Array.of(21), next, 2);
      while (!other.test());
      world.sendSync(Int32Array.of(42), next, 1);
      const [status, tag] = await both;
      assert.equal(tag, 1);
      assert(request.done && request.test());
      assert.equal(request.wait(), status);
      assert.equal(request.status, status);
      assert.deepEqual([...got], [42, 21]);
    },
  },
});
