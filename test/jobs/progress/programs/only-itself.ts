/** What only the rank itself could send holds no process, in a world of several either. */
import { MPI } from '../../../../runtime/index.ts';
import { sayOk } from '../../lib.ts';

const { world, self } = MPI;
await world.barrier();
world.recv(new Uint8Array(1), world.rank).catch(() => {});
self.recv(new Uint8Array(1)).catch(() => {});
process.on('beforeExit', sayOk);
