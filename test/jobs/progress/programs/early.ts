/**
 * The receive is posted early, the program does something else, sends, and awaits the receive; then the rank
 * has nothing left to do. It ends, whatever the order in which all of it happened.
 */
import { MPI } from '../../../../runtime/index.ts';
import { pause, Random, sayOk } from '../../lib.ts';

const { world } = MPI;
const other = 1 - world.rank;
/** Both ranks the same: what matters happens when both wake at about the same time. */
const random = new Random(Number(process.argv[2]));
const PAUSES = [1, 10, 100];
const got = new Uint8Array(1);

const request = world.irecv(got, other);
await pause(random.pick(PAUSES));
await world.send(Uint8Array.of(7), other);
await request;
// Once more, as a reaction.
world.irecv(got, other, 5).then(() => {});
await world.send(Uint8Array.of(8), other, 5);
sayOk();
