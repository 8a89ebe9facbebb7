/** The program of the doctor's trial job: rank 0 sends, rank 1 says on stdout what became of it. */
import { MPI } from '../../index.ts';

const BYTES = 2 ** 20;
const { world } = MPI;

// Nobody can say whether a rank's memory can be read before the rank is there.
world.barrierSync();
if (world.rank === 0) world.sendSync(new Uint8Array(BYTES).fill(7), 1);
else {
  const bytes = new Uint8Array(BYTES);
  world.recvSync(bytes, 0);
  const intact = bytes.every((byte) => byte === 7);
  process.stdout.write(`${JSON.stringify({ intact, ...MPI.statistics() })}\n`);
}
MPI.finalize();
