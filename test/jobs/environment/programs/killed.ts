/** Rank 1 dies by the signal of argv[2] while a large message to it is under way. */
import { MPI } from '../../../../runtime/index.ts';

const world = MPI.world;
const bytes = new Uint8Array(256 * 2 ** 20);

if (world.rank === 0) world.isend(bytes.fill(1), 1);
if (world.rank === 1) {
  const request = world.irecv(bytes, 0);
  // Its first bytes are there.
  while (bytes[0] === 0) request.test();
  process.stdout.write('under way\n');
  process.kill(process.pid, process.argv[2]);
}
world.recvSync(new Uint8Array(8), (world.rank + 1) % world.size, 99);
