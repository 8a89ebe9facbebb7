/** Programs end without MPI.finalize(); what they sent arrives all the same. */
import { MPI } from '../../../../runtime/index.ts';
import { filled, pause, sayOk, verify } from '../../lib.ts';

const world = MPI.world;
const LENGTHS = [0, 8, 16_384, 16_385, 100_000, 3 * 2 ** 20];
if (world.rank === 0) {
  for (const [tag, length] of LENGTHS.entries()) world.isend(filled(length, tag), 1, tag);
} else {
  await pause(200);
  for (const [tag, length] of LENGTHS.entries()) {
    const got = new Uint8Array(length);
    await world.recv(got, 0, tag);
    verify(got, tag, `message ${tag}`);
  }
}
sayOk();
if (process.argv[2] === 'process.exit') process.exit(0);
