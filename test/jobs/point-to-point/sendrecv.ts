/** sendrecv: everybody sends and receives at once. */
import { defineJob } from '../job.ts';
import { filled, verify } from '../lib.ts';
import { checkStatus, next, previous, rank, SIZES, world } from '../ring.ts';

export default defineJob({
  cases: {
    async 'sendrecv shifts'() {
      for (const length of SIZES) {
        const got = new Uint8Array(length);
        const sent = filled(length, rank * 7);
        checkStatus(world.sendrecvSync(sent, next, 4, got, previous, 4), previous, 4, length);
        verify(got, previous * 7, 'sendrecvSync');
        got.fill(0);
        checkStatus(await world.sendrecv(sent, previous, 5, got, next, 5), next, 5, length);
        verify(got, next * 7, 'sendrecv');
      }
    },
  },
});
