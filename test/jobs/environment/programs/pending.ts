/** Each rank sends what nobody receives, and leaves. */
import { MPI } from '../../../../runtime/index.ts';
import { rejects, sayOk, throws } from '../../lib.ts';

const world = MPI.world;
const send = world.isend(new Uint8Array(2 ** 20), 1 - world.rank, 1);
const receive = world.irecv(new Uint8Array(8), 1 - world.rank, 2);
const ends = [rejects('ERR_PENDING', send), rejects('ERR_PENDING', receive)];
sayOk();
throws('ERR_PENDING', () => MPI.finalize());
await Promise.all(ends);
// Neither hangs nor pretends.
throws('ERR_PENDING', () => send.wait());
throws('ERR_PENDING', () => receive.test());
