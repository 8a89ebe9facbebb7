/** Messages that a rank sends to itself. */
import { ANY_SOURCE, type Communicator, MPI } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, filled, pause, verify } from '../lib.ts';
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

    async 'a message to oneself wakes who sleeps in the event loop'() {
      const got = new Uint8Array(1);
      const receive = MPI.self.recv(got, 0, 5);
      await pause(20);
      MPI.self.isend(Uint8Array.of(7), 0, 5);
      await receive;
      assert.equal(got[0], 7);
    },
  },
});
