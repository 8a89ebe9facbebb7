/** Rank 1 ends the job; the others wait for it for ever. */
import { MPI } from '../../../../runtime/index.ts';

const world = MPI.world;
world.barrierSync();
if (world.rank === 1) {
  if (process.argv[2] === 'throw') throw new Error('thrown on purpose');
  MPI.abort(42);
}
if (world.rank === 0) world.recvSync(new Uint8Array(8), 1);
else await world.recv(new Uint8Array(8), 1);
