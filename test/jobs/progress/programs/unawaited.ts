/** What nobody awaits keeps no process alive; what somebody awaits does, and so the message arrives. */
import { MPI } from '../../../../runtime/index.ts';
import { assert, pause, sayOk } from '../../lib.ts';

const world = MPI.world;
// From the rank itself: one from a rank that leaves would fail, and the program had to look at it.
world.irecv(new Uint8Array(8), world.rank, 77);
if (world.rank === 0) {
  await pause(300);
  await world.send(Uint8Array.of(5), 1, 1);
  sayOk();
} else {
  const got = new Uint8Array(1);
  // No timer, no socket: this promise alone.
  world.recv(got, 0, 1).then(() => {
    assert.equal(got[0], 5);
    sayOk();
  });
}
