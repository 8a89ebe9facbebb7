/** Messages that a rank sends to itself. */
import { ANY_SOURCE, type Communicator, MPI } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { filled, verify } from '../lib.ts';
import { checkStatus, SIZES, world } from '../ring.ts';

async function selfSends(comm: Communicator): Promise<void> {
  const me = comm.rank;
  for (const length of SIZES) {
    const sent = filled(length, length);
    const got = new Uint8Array(length);
    const receive = comm.irecv(got, me, 1);
    comm.sendSync(sent, me, 1);
    checkStatus(receive.wait(), me, 1, length);
    verify(got, length, 'irecv, sendSync');
    got.fill(0);
    const send = comm.isend(sent, me, 2);
    checkStatus(comm.recvSync(got, ANY_SOURCE, 2), me, 2, length);
    send.wait();
    verify(got, length, 'isend, recvSync');
    got.fill(0);
    const [status] = await Promise.all([comm.recv(got), comm.send(sent, me, 3)]);
    checkStatus(status, me, 3, length);
    verify(got, length, 'recv, send');
  }
}

export default defineJob({
  cases: {
    'messages to oneself': () => selfSends(world),
    'messages to oneself, in MPI.self': () => selfSends(MPI.self),

    async 'a receive that is awaited gets what is sent in a later turn'() {
      for (const length of [8, 40_000]) {
        const got = new Uint8Array(length);
        const receive = world.recv(got, world.rank, 4);
        // Until the event loop sleeps: nothing else is under way.
        for (let turn = 0; turn < 50; turn++)
          await new Promise((resolve) => setTimeout(resolve, 1));
        await Promise.all([world.send(filled(length, 5), world.rank, 4), receive]);
        verify(got, 5, 'a later turn');
      }
    },
  },
});
