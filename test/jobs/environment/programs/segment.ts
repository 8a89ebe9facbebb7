/** What a rank's shared memory is, seen from the rank: its descriptor, its names, its size. Prints JSON. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { MPI } from '../../../../runtime/index.ts';
import { filled, verify } from '../../lib.ts';

const world = MPI.world;
const other = world.rank ^ 1;
// Messages of all ways, and memory of MPI.allocate, so that everything has been made.
for (const length of [8, 20_000, 500_000]) {
  const got = new Uint8Array(MPI.allocate(length));
  const sent = new Uint8Array(MPI.allocate(length));
  sent.set(filled(length, length));
  world.sendrecvSync(sent, other, 1, got, other, 1);
  verify(got, length, 'shared memory');
}
const links = readdirSync('/proc/self/fd').flatMap((fd) => {
  try {
    return [[fd, readlinkSync(`/proc/self/fd/${fd}`)]];
  } catch {
    return [];
  }
});
const segments = links.filter(([, target]) => target.startsWith('/memfd:dreg-mpi'));
// Shared mappings of files, other than the segment.
const mapped = readFileSync('/proc/self/maps', 'utf8')
  .split('\n')
  .filter((line) => /^\S+ ...s .* \/(?!memfd:dreg-mpi)/.test(line));
const mode = segments.map(([fd]) => statSync(`/proc/self/fd/${fd}`).mode & 0o777);
const shm = readdirSync('/dev/shm');
process.stdout.write(`${JSON.stringify({ segments: segments.length, mode, mapped, shm })}\n`);
if (process.argv[2] === 'killed') {
  world.barrierSync();
  if (world.rank === 1) process.kill(process.pid, 'SIGKILL');
  world.recvSync(new Uint8Array(8));
}
